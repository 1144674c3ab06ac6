"""The setting of logs, and their setup when a process starts."""

import logging
import sys
from dataclasses import dataclass
from typing import Literal

from contracts.logs.flood import LimitedHandler
from contracts.logs.formats import JsonLines, TextLines
from contracts.settings import Settings, setting

_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("text", "json")


def _log_words(text: str) -> str:
    words = [word.strip() for word in text.lower().split(",")]
    for kind in (_LEVELS, _FORMATS):
        found = [word for word in words if word in kind]
        if len(found) > 1:
            raise ValueError(text)
        words = [word for word in words if word not in found]
    if words:
        raise ValueError(text)
    return ",".join(word.strip() for word in text.lower().split(","))


@dataclass(frozen=True)
class LogSettings(Settings):
    """What a process logs, and how."""

    log: str = setting(
        "TRIPTYCH_LOG",
        "info",
        convert=_log_words,
        expected="a level (debug, info, warning, error), a format (text, json), or both, as in `debug,json`",
        help="Log messages from this level on, as `debug`, `info`, `warning` or `error`, and their format, `text` or "
        "`json`; both as in `debug,json`. Without a format: text on a terminal, JSON lines elsewhere.",
    )

    @property
    def level(self) -> int:
        """Records below this level are dropped."""
        name = next((word for word in self.log.split(",") if word in _LEVELS), "info")
        return logging.getLevelNamesMapping()[name.upper()]

    @property
    def format(self) -> Literal["text", "json"]:
        """The format; by default that for the terminal, if stderr is one."""
        if "text" in self.log or ("json" not in self.log and sys.stderr.isatty()):
            return "text"
        return "json"


def setup_logging(process: str, settings: LogSettings | None = None) -> None:
    """Write all logs of this process to stderr. Libraries log warnings and errors only."""
    settings = settings or LogSettings()
    handler = LimitedHandler(sys.stderr)
    handler.setFormatter(TextLines() if settings.format == "text" else JsonLines(process))
    # Without `force` this does nothing if a library has installed a handler before.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for package in ("contracts", "services", "workers"):
        logging.getLogger(package).setLevel(settings.level)
    # Its lines at the level debug may have what clients sent.
    logging.getLogger("gunicorn").setLevel(max(settings.level, logging.INFO))
