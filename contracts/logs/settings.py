"""The setting of logs, and their setup when a process starts."""

import logging
import sys
from dataclasses import dataclass
from typing import Literal, TextIO, get_args

from contracts.logs.flood import LimitedHandler
from contracts.logs.formats import JsonLines, TextLines
from contracts.logs.stream import UnbufferedStream
from contracts.settings import Settings, setting

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]
LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)


def _log_words(text: str) -> str:
    words = [word.strip() for word in text.lower().split(",")]
    levels, formats = set(words) & set(LEVELS), set(words) & set(FORMATS)
    if len(levels) > 1 or len(formats) > 1 or len(words) != len(levels) + len(formats):
        raise ValueError(text)
    return ",".join(words)


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
    def level(self) -> Level:
        """Records below this level are dropped."""
        words = self.log.split(",")
        return next((level for level in LEVELS if level in words), "info")

    def format_on(self, stream: TextIO) -> Format:
        """Return the format on a stream: the one that is set, or else text on a terminal and JSON elsewhere."""
        words = self.log.split(",")
        default: Format = "text" if stream.isatty() else "json"
        return next((format for format in FORMATS if format in words), default)


def setup_logging(process: str, settings: LogSettings | None = None) -> None:
    """Write all logs of this process to stderr. Libraries log warnings and errors only."""
    settings = settings or LogSettings()
    handler = LimitedHandler(UnbufferedStream(sys.stderr))
    handler.setFormatter(TextLines() if settings.format_on(sys.stderr) == "text" else JsonLines(process))
    # Without `force` this does nothing if a library has installed a handler before.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    for package in ("contracts", "services", "workers"):
        logging.getLogger(package).setLevel(level)
    # Its lines at the level debug may have what clients sent.
    logging.getLogger("gunicorn").setLevel(max(level, logging.INFO))
