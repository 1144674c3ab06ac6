"""Measures how long turns of the event loop take: so much longer than it should every client of the process waits."""

import logging
import time

import gevent

from services.gateway.processes.counters import Counted, Counters

logger = logging.getLogger(__name__)
WARN_S = 0.1
_WINDOW_S = 15.0
# Of libev's watchers: the first one after the loop has waited, and the last one before it waits again.
_FIRST, _LAST = 2, -2


class LoopLag:
    """Notes the longest turn of the last 15 to 30 seconds, so that a scrape every 15 seconds misses none.

    It is in ``Counted.LOOP_LAG_US`` of the process, in microseconds. A turn of more than ``WARN_S`` is a warning, with
    the CPU time that this process took meanwhile: if that is less than half, other programs had the processors. While
    the loop waits for events, a process that gets no processor is not noticed.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._longest_s = self._longest_before_s = 0.0
        self._began = self._window_began = time.monotonic()
        self._used = time.process_time()
        # The loop calls them itself. A greenlet that wakes again and again would cost an idle process half of its time.
        loop = gevent.get_hub().loop
        self._after_wait = loop.check(ref=False, priority=_FIRST)
        self._before_wait = loop.prepare(ref=False, priority=_LAST)

    def start(self) -> None:
        """Measure until the process ends."""
        self._after_wait.start(self._begin)
        self._before_wait.start(self._end)

    def _begin(self) -> None:
        self._began, self._used = time.monotonic(), time.process_time()

    def _end(self) -> None:
        now = time.monotonic()
        turn_s = now - self._began
        if turn_s > WARN_S:
            self._warn(turn_s)
        if now - self._window_began > _WINDOW_S:
            self._longest_before_s, self._longest_s, self._window_began = self._longest_s, turn_s, now
        elif turn_s <= self._longest_s:
            return
        self._longest_s = turn_s
        self._counters.set(Counted.LOOP_LAG_US, round(1e6 * max(self._longest_s, self._longest_before_s)))

    def _warn(self, turn_s: float) -> None:
        cpu_s = time.process_time() - self._used
        # Whoever reads the line must know where to look: at a request, or at what else runs on the machine.
        cause = "this process was busy" if cpu_s > turn_s / 2 else "it got no processor"
        figures = {"lag_ms": round(1000 * turn_s), "cpu_ms": round(1000 * cpu_s)}
        # In a greenlet, which runs with the next event: the loop itself must not wait for the log.
        gevent.spawn(
            logger.warning, f"the event loop turned late, since {cause}: every client had to wait", extra=figures
        )
