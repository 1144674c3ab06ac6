"""Counters of the decoding engine: written by the inference thread, read by the heartbeat."""

import time
from bisect import bisect_left

from contracts.figures import DURATION_BOUNDS_S, Durations
from workers.runtime.decoding.sequences.sequence_group import SequenceGroup
from workers.runtime.engine.figures import CallCounter


class Histogram:
    """Counts of durations in buckets with the upper bounds ``DURATION_BOUNDS_S``."""

    def __init__(self) -> None:
        self._counts = [0] * (len(DURATION_BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(DURATION_BOUNDS_S, duration_s)] += 1
        self._sum_s += duration_s

    def read(self) -> Durations:
        """Return the counts so far."""
        # No lock: the inference thread writes, and counts and sum may be one duration apart.
        return Durations(list(self._counts), self._sum_s)


class DecodingMetrics:
    """Counters over all models of a worker."""

    def __init__(self) -> None:
        self.calls = CallCounter()
        """Model calls and the new tokens in them."""
        self.tokens_in = 0
        """Prefilled tokens."""
        self.tokens_out = 0
        """Decoded tokens, one for each step of a group."""
        self.pauses = 0
        """Groups that gave their slots to a more urgent request."""
        self.first_token = Histogram()
        self.token_gap = Histogram()

    def count_token(self, group: SequenceGroup) -> None:
        """Count the token that a group was just given, and the time since the one before it."""
        now = time.perf_counter()
        self.tokens_out += 1
        if group.num_generated > 1:
            self.token_gap.add(now - group.last_token_at)
        elif (first_s := group.handle.mark_token()) is not None:
            self.first_token.add(first_s)
        group.last_token_at = now
