"""The gateway with faults; hangs are found after 5 seconds.

The route ``/spin`` holds the event loop for ever. While the file exists that TEST_NO_MEMORY names, no app can be made.
"""

import os
import sys
from pathlib import Path
from typing import Any

from gevent import monkey

monkey.patch_all()

from flask import Flask  # noqa: E402 - as in the gateway, after gevent's patches

from services.gateway.command_line import main  # noqa: E402
from services.gateway.server import application, options  # noqa: E402

make_app = application.create_app


def spin() -> None:
    sys.stderr.write("the loop is held from now on\n")
    while True:
        pass


def app_that_spins(*args: Any) -> Flask:
    if Path(os.environ.get("TEST_NO_MEMORY", "/no/such/file")).exists():
        raise MemoryError
    app = make_app(*args)
    app.add_url_rule("/spin", "spin", spin)
    return app


if __name__ == "__main__":
    application.create_app = app_that_spins
    options.HANG_S = 5
    sys.exit(main())
