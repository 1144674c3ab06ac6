"""Lines that are written for each request and each job, at a third of the cost of ``logger.log(…, extra=…)``.

`logging` looks for the caller, the thread and the process of each record, which no line of ours shows.
"""

import logging
import time
from typing import Any

from contracts.logs.formats import FIELDS, FLOOD_KEY

_EMPTY = vars(logging.makeLogRecord({}))


def log_line(
    logger: logging.Logger,
    level: int,
    message: str,
    fields: dict[str, Any],
    *,
    alike: dict[str, Any] | None = None,
    at: float | None = None,
) -> None:
    """Log a message with fields, those without a value left out.

    With ``alike``, lines that are equal in these fields are limited, whatever their level. Otherwise every line is
    written. ``at`` is the time that the line shows, in seconds since the epoch; by default now.
    """
    if not logger.isEnabledFor(level):
        return
    created = time.time() if at is None else at
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__ = _EMPTY | {
        "name": logger.name,
        "levelno": level,
        "levelname": logging.getLevelName(level),
        "msg": message,
        "created": created,
        "msecs": created % 1 * 1000,
        FLOOD_KEY: None if alike is None else tuple(alike.items()),
        FIELDS: fields,
    }
    logger.handle(record)
