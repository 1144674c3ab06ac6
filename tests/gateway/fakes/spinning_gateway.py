"""The gateway with one more route, ``/spin``, that holds its event loop for ever; hangs are found after 3 seconds."""

import sys
from typing import Any

from gevent import monkey

monkey.patch_all()

from flask import Flask  # noqa: E402 - as in the gateway, after gevent's patches

from services.gateway.command_line import main  # noqa: E402
from services.gateway.server import application, options  # noqa: E402

make_app = application.create_app


def spin() -> None:
    while True:
        pass


def app_that_spins(*args: Any) -> Flask:
    app = make_app(*args)
    app.add_url_rule("/spin", "spin", spin)
    return app


if __name__ == "__main__":
    application.create_app = app_that_spins
    options.HANG_S = 3
    sys.exit(main())
