"""Measures how late the event loop turns: by so much every client of this process waits longer than it should."""

import logging
import time

import gevent

from services.gateway.processes.counters import Counted, Counters

logger = logging.getLogger(__name__)
WARN_S = 0.1
_TICK_S = 0.05
_WINDOW_S = 15.0


class LoopLag:
    """Notes the longest delay of the last 15 to 30 seconds, so that a scrape every 15 seconds misses none.

    It is in ``Counted.LOOP_LAG_US`` of the process, in microseconds. A delay of more than ``WARN_S`` is a warning, with
    the CPU time that this process took meanwhile: if that is less than half, other programs had the processors.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._longest_s = self._longest_before_s = 0.0

    def start(self) -> None:
        """Measure in a greenlet until the process ends."""
        gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            end = time.monotonic() + _WINDOW_S
            while time.monotonic() < end:
                self._note(self._measure())
            self._longest_before_s, self._longest_s = self._longest_s, 0.0
            self._note(0.0)

    def _measure(self) -> float:
        started, used = time.monotonic(), time.process_time()
        gevent.sleep(_TICK_S)
        lag_s = max(0.0, time.monotonic() - started - _TICK_S)
        if lag_s > WARN_S:
            cpu_s = time.process_time() - used
            # Whoever reads the line must know where to look: at a request, or at what else runs on the machine.
            cause = "this process was busy" if cpu_s > lag_s / 2 else "it got no processor"
            figures = {"lag_ms": round(1000 * lag_s), "cpu_ms": round(1000 * cpu_s)}
            logger.warning(f"the event loop turned late, since {cause}: every client had to wait", extra=figures)
        return lag_s

    def _note(self, lag_s: float) -> None:
        self._longest_s = max(self._longest_s, lag_s)
        self._counters.set(Counted.LOOP_LAG_US, round(1e6 * max(self._longest_s, self._longest_before_s)))
