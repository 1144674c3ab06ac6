"""Logs as JSON lines, with the same fields in gateways and workers. Never log a payload, a prompt or a key."""

import json
import logging
import time

MAX_TEXT = 2000
"""Characters of a message that are logged. A message may quote what a client sent, which can be megabytes."""
# The attributes of every record, which are no extra fields. Formatters add two of them, Python 3.12 the third.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time, level, process, logger, message, extra fields, traceback."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage()[:MAX_TEXT],
        }
        # The message may quote what a client sent. It can't forge a second line, because JSON escapes line breaks, and
        # an extra field can't replace one of the fields above.
        line |= {name: value for name, value in vars(record).items() if name not in _OWN and name not in line}
        if record.exc_info:
            # The end of a traceback says what was raised and where.
            line["traceback"] = self.formatException(record.exc_info)[-2 * MAX_TEXT :]
        try:
            return json.dumps(line, default=str, allow_nan=False)
        except (TypeError, ValueError):  # a NaN, a key that is not a string, a cycle: a log line must never be lost
            return json.dumps({name: str(value)[:MAX_TEXT] for name, value in line.items()})
