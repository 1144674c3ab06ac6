"""A limit on lines of one kind: the first of a period are written, the others are counted and summed up in one line.

Without it, a client that sends nonsense quickly, or a store that is out of reach for long, would fill the disk.
"""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Hashable
from typing import TextIO

from contracts.logs.formats import FLOOD_KEY, MAX_TEXT
from contracts.logs.stream import UnbufferedStream

PERIOD_S = 10.0
MAX_ALIKE = 10
"""Lines of one kind that are written in a period."""
MAX_KINDS = 500
"""Kinds that are told apart in a period. A library may build texts of its own, and each of them is another kind."""


class FloodLimit:
    """Counts lines by kind. Its caller holds a lock.

    Limited are warnings and errors by logger, level, text and type of exception, except that lines of
    ``contracts.logs.lines`` say themselves what they are like.
    """

    def __init__(self) -> None:
        self._ends_at = 0.0
        self._counts: Counter[Hashable] = Counter()
        self._left_out: dict[Hashable, logging.LogRecord] = {}

    @property
    def left_s(self) -> float:
        """How long the period still lasts, in seconds."""
        return self._ends_at - time.monotonic()

    def admits(self, record: logging.LogRecord) -> bool:
        """Return whether to write a record; otherwise it is counted. Call ``summaries`` before, if a period is over."""
        key = self._kind(record)
        if key is None:
            return True
        if not self._counts:
            self._ends_at = time.monotonic() + PERIOD_S
        if key not in self._counts and len(self._counts) >= MAX_KINDS:
            key = (record.levelno, "any other line")
        self._counts[key] += 1
        if self._counts[key] <= MAX_ALIKE:
            return True
        if key not in self._left_out:
            self._left_out[key] = _without_values(record)
        return False

    def summaries(self) -> list[logging.LogRecord]:
        """End the period; return one record for each kind of which lines were left out."""
        found = list(self._left_out.values())
        for key, record in self._left_out.items():
            num_more = self._counts[key] - MAX_ALIKE
            record.msg, record.num_more = f"{num_more} more like this in {PERIOD_S:g} s: {record.msg}", num_more
        self._counts.clear()
        self._left_out.clear()
        return found

    @staticmethod
    def _kind(record: logging.LogRecord) -> Hashable:
        fields = vars(record)
        if FLOOD_KEY in fields:
            key: Hashable = fields[FLOOD_KEY]
            return key and (record.name, key)
        if record.levelno < logging.WARNING:
            return None
        # The text before its values are filled in, so that lines about different jobs are of one kind.
        return (record.name, record.levelno, str(record.msg)[:MAX_TEXT], record.exc_info and record.exc_info[0])


def _without_values(record: logging.LogRecord) -> logging.LogRecord:
    # Not the record itself: its traceback would hold whatever the functions in it held, such as the body of a request.
    return logging.makeLogRecord(
        {
            "name": record.name,
            "levelno": record.levelno,
            "levelname": record.levelname,
            "msg": record.getMessage()[:MAX_TEXT],
        }
        | dict(getattr(record, FLOOD_KEY, ()))
    )


class LimitedHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes lines within the limit to a stream. Safe with threads and with gevent, and after a fork."""

    def __init__(self, stream: TextIO | UnbufferedStream) -> None:
        super().__init__(stream)
        self._limit = FloodLimit()
        self._timer_pid = 0
        """The process in which a timer runs, since threads do not survive a fork; 0 for none."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it. `logging` calls this under the handler's lock."""
        if self._limit.left_s <= 0:
            self._sum_up()
        if self._limit.admits(record):
            super().emit(record)
        else:
            self._sum_up_later()

    def close(self) -> None:
        """Write the sums. `logging` calls this when the process ends."""
        self.acquire()
        try:
            self._sum_up()
        finally:
            self.release()
        super().close()

    def _sum_up_later(self) -> None:
        # Without a timer, the sum of a flood that has ended would wait for the next line.
        if self._timer_pid == os.getpid():
            return
        self._timer_pid = os.getpid()
        timer = threading.Timer(self._limit.left_s, self._on_time)
        timer.daemon = True
        timer.start()

    def _on_time(self) -> None:
        self.acquire()
        try:
            self._timer_pid = 0
            self._sum_up()
        finally:
            self.release()

    def _sum_up(self) -> None:
        for record in self._limit.summaries():
            super().emit(record)
