"""Notices when the clock of the store is set, so that no lease and no deadline feels it.

All times of jobs are the store's. If an operator or NTP sets its clock by minutes, every lease and every deadline would
be over at once, or for minutes none would. A clock that nobody sets tells: CLOCK_BOOTTIME of this machine, which also
counts while the machine sleeps. When the two differ, one key takes the difference, and every script adds it.
"""

import logging
import time
from typing import NamedTuple

import redis

from contracts.store.keys import PREFIX
from contracts.store.scripts import load_script

logger = logging.getLogger(__name__)
TOLERANCE_S = 2.0
"""Clocks drift, and NTP slews them, far less between two looks."""
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class _Sample(NamedTuple):
    """The store's time, read at an unknown moment between two readings of the steady clock, in seconds."""

    before: float
    after: float
    store: float


class StoreClock:
    """Compares the store's clock with a steady one, at each call of ``check``."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._script = load_script(client, "clock")
        self._last: _Sample | None = None

    def check(self) -> None:
        """Correct the time of all scripts if the store's clock was set since the last call.

        A call that takes long says little of when the store read its clock, so an outage is never taken for a step.

        Raises:
            redis.RedisError: the store is out of reach.
        """
        sample, offset = self._read()
        step_s = _step(self._last, sample) if self._last else 0.0
        if step_s and self._script(args=[offset, step_s]):
            logger.warning("the store's clock was set", extra={"step_s": round(step_s, 1)})
        # After a correction, by us or by somebody else, this sample is in another time than the next one.
        self._last = None if step_s else sample

    def _read(self) -> tuple[_Sample, bytes]:
        before = time.clock_gettime(_STEADY)
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.time()
            pipeline.get(f"{PREFIX}clock")
            (seconds, microseconds), offset = pipeline.execute()
        after = time.clock_gettime(_STEADY)
        offset = offset or b"0"
        return _Sample(before, after, seconds + microseconds / 1e6 + float(offset)), offset


def _step(last: _Sample, now: _Sample) -> float:
    """Return by how much the store's clock moved more (or less) than it can have by itself; 0.0 if it can."""
    elapsed_s = now.store - last.store
    longest_s, shortest_s = now.after - last.before, now.before - last.after
    if elapsed_s > longest_s + TOLERANCE_S:
        return elapsed_s - longest_s
    if elapsed_s < shortest_s - TOLERANCE_S:
        return elapsed_s - shortest_s
    return 0.0
