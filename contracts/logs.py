"""Logs as JSON lines with the same fields on both sides of the queue; never a payload, a prompt or a key."""

import json
import logging
import sys
import time

MAX_TEXT = 2000
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the extra fields, and the traceback if there is one."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line; ``json`` escapes line breaks and control characters."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage()[:MAX_TEXT],
        }
        # The fields above are ours: an extra field of the same name does not replace them.
        line |= {name: value for name, value in vars(record).items() if name not in _OWN and name not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)[-2 * MAX_TEXT :]
        try:
            return json.dumps(line, default=str, allow_nan=False)
        except (TypeError, ValueError):  # a NaN, a key that is no string, a circle: still one line, and still JSON
            return json.dumps({name: str(value)[:MAX_TEXT] for name, value in line.items()})


def setup_logging(process: str, level: str = "INFO") -> None:
    """Send all logs of this process to stderr as JSON lines; libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for package in ("contracts", "services", "workers"):
        logging.getLogger(package).setLevel(level)
