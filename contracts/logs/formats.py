"""Log records as lines: JSON for programs, text for a terminal. Never log a payload, a prompt or a key.

A message may quote what a client sent. In both formats it can't forge a second line or send codes to a terminal.
"""

import json
import logging
import os
import time
from typing import Any

import msgspec

MAX_TEXT = 2000
"""Characters of a message that are logged. A message may quote what a client sent, which can be megabytes."""
FIELDS = "triptych_fields"
"""Attribute of a record with all of its extra fields, for `contracts.logs.lines` alone."""
FLOOD_KEY = "flood_key"
"""Attribute of a record, for `contracts.logs.flood` alone."""
# The attributes of every record, which are no extra fields. Formatters add two of them, Python 3.12 the third.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", FLOOD_KEY}
_OURS = ("contracts.", "services.", "workers.")
_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time, level, process, pid, logger, message, extra fields, traceback."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._second = 0
        self._second_text = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        first = {
            "time": f"{self._time(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": os.getpid(),  # now, since gunicorn forks after logs are set up
            "logger": record.name,
            "message": record.getMessage()[:MAX_TEXT],
        }
        # An extra field keeps its place and can't replace one of the fields above.
        line = first | extra_fields(record) | first
        if record.exc_info:
            line["traceback"] = _traceback(self, record)
        return _json(line)

    def _time(self, second: int) -> str:
        # A busy gateway writes many lines in one second, and formatting its time is most of the cost of a line.
        if second != self._second:
            self._second, self._second_text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return self._second_text


class TextLines(logging.Formatter):
    """Formats a record for people: local time, level, message, extra fields; then the traceback, if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, or several if it has a traceback."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        message = _printable(record.getMessage()[:MAX_TEXT])
        name = "" if record.name.startswith(_OURS) else f"{record.name}: "
        fields = "".join(f" {_printable(key)}={_quoted(value)}" for key, value in extra_fields(record).items())
        line = f"{clock}.{int(record.msecs):03d} {record.levelname.lower():7} {name}{message}{fields}"
        if not record.exc_info:
            return line
        # Escaped line by line, because the text of an exception may quote a client as well.
        return "\n".join([line, *(f"    {_printable(part)}" for part in _traceback(self, record).split("\n"))])


def extra_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that the caller has added to a record, without those that have no value."""
    found = vars(record)
    if FIELDS not in found:
        return {name: value for name, value in found.items() if name not in _OWN and value is not None}
    return {name: value for name, value in found[FIELDS].items() if value is not None}


def _json(line: dict[str, Any]) -> str:
    try:
        # Several times as fast as the standard library, which is only needed for texts beyond ASCII.
        encoded = _encode(line)
        return encoded.decode() if encoded.isascii() else json.dumps(line, default=str, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        # A key that is not a string, half of a surrogate pair, a cycle: a log line must never be lost.
        return json.dumps({name: str(value)[:MAX_TEXT] for name, value in line.items()})


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    # The end of a traceback says what was raised and where.
    return formatter.formatException(record.exc_info)[-2 * MAX_TEXT :] if record.exc_info else ""


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _quoted(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = _printable(text[:MAX_TEXT])
    if text and not any(mark in text for mark in ' "='):
        return text
    return '"' + text.replace('"', '\\"') + '"'
