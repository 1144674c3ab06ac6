"""Notices when the clock of the store is set, so that no lease and no deadline feels it.

All times of jobs are the store's. If an operator or NTP sets its clock by minutes, every lease and every deadline would
be over at once, or for minutes none would. A clock that nobody sets tells: CLOCK_BOOTTIME of this machine, which also
counts while the machine sleeps. When the two differ, one key takes the difference, and every script adds it.
"""

import logging
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import redis

from contracts.store.keys import PREFIX
from contracts.store.scripts import load_script

logger = logging.getLogger(__name__)
TOLERANCE_S = 2.0
"""Clocks drift, and NTP slews them, far less between two looks."""
MAX_DRIFT = 0.0005
"""Seconds a second. It counts between looks that are hours apart: NTP slews by no more."""
FRESH_S = 3.0
"""What a reaper has found right so long ago is still right. Reapers look once a second."""


class _Sample(NamedTuple):
    """The store's time, read at an unknown moment between two readings of the steady clock, in seconds."""

    before: float
    after: float
    store: float


def store_time(client: "redis.Redis") -> float:
    """Return the time by which all times of jobs are written, in seconds since the epoch.

    It is the store's own clock, as if nobody had ever set it.

    Raises:
        redis.RedisError: the store is out of reach.
    """
    clock, _, reaped_at = _read(client)
    return max(clock, reaped_at)  # as in lua/common/base.lua


def steady_s() -> float:
    """Return the seconds since this machine was started, with those for which it slept."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class StoreClock:
    """Compares the store's clock with a steady one, at each call of ``check``."""

    def __init__(self, client: "redis.Redis", steady: Callable[[], float] = steady_s) -> None:
        self._client = client
        self._steady = steady
        self._script = load_script(client, "clock")
        self._last: _Sample | None = None

    def check(self) -> float | None:
        """Return the store's time if it is known to be right, and correct the time of all scripts if it is wrong.

        A call that takes long says little of when the store read its clock, so an outage is never taken for a step.

        Returns:
            None if the time was wrong until now, or if nobody can know it before the next call.

        Raises:
            redis.RedisError: the store is out of reach.
        """
        before = self._steady()
        clock, offset, reaped_at = _read(self._client)
        sample = _Sample(before, self._steady(), clock)
        if -TOLERANCE_S <= clock - reaped_at < FRESH_S:
            # Others have reaped just now by this time. A look of our own says less: it may have been the first one of
            # this process, by a clock that was corrected since.
            self._last = sample
            return clock
        last = self._last
        if last is not None and reaped_at > last.store + sample.after - last.before + TOLERANCE_S:
            # Others have reaped at a time that can't be yet. So this machine stood still, and its steady clock with it.
            last = None
        # Without a look of our own we know that of the others: it can't be earlier now.
        step_s = _step(last or _Sample(-math.inf, before, reaped_at), sample)
        if step_s:
            # The next look is compared with the last one again, whoever of all that see this step corrects it.
            self._last = last
            if self._script(args=[offset, step_s]):
                logger.warning("the store's clock was set", extra={"step_s": round(step_s, 1)})
            return None
        self._last = sample
        return clock if last or not reaped_at else None


def _read(client: "redis.Redis") -> tuple[float, bytes, float]:
    """Return the store's clock with the offset, the offset as it is stored, and when the last reaper has looked."""
    while True:
        # Not as a transaction: Redis refuses those while its memory is full.
        with client.pipeline(transaction=False) as pipeline:
            pipeline.get(f"{PREFIX}clock")
            pipeline.time()
            pipeline.mget(f"{PREFIX}clock", f"{PREFIX}reaped_at")
            before, (seconds, microseconds), (offset, reaped_at) = pipeline.execute()
        if offset == before:  # else it was corrected in between, and may not fit the time
            return seconds + microseconds / 1e6 + _seconds_of(offset), offset or b"", _seconds_of(reaped_at)


def _seconds_of(text: bytes | None) -> float:
    """Return the number of a key; 0.0 if something else is there, as in lua/common/base.lua."""
    try:
        seconds = float(text or 0)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _step(last: _Sample, now: _Sample) -> float:
    """Return by how much the store's clock moved more (or less) than it can have by itself; 0.0 if it can."""
    elapsed_s = now.store - last.store
    longest_s, shortest_s = now.after - last.before, now.before - last.after
    longest_s, shortest_s = longest_s * (1 + MAX_DRIFT), shortest_s * (1 - MAX_DRIFT)
    if elapsed_s > longest_s + TOLERANCE_S:
        return elapsed_s - longest_s
    if elapsed_s < shortest_s - TOLERANCE_S:
        return elapsed_s - shortest_s
    return 0.0
