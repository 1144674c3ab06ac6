"""The server's log lines."""

import logging
from typing import Any

from gunicorn.glogging import Logger


class PlainLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without handlers of its own, so that its lines have the format of all others."""

    def setup(self, cfg: Any) -> None:
        """Pass the lines on to the root logger."""
        self.error_log.setLevel(logging.INFO)
        self.error_log.propagate = True
