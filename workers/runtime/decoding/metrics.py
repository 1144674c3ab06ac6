"""What the decoding loop has done since it started; written by the inference thread, read by the heartbeat."""

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from contracts.figures import DURATION_BOUNDS_S, Durations
from workers.runtime.inference.stats import Stats


class Histogram:
    """Counts of durations by ``DURATION_BOUNDS_S``."""

    def __init__(self) -> None:
        self._counts = [0] * (len(DURATION_BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(DURATION_BOUNDS_S, duration_s)] += 1
        self._sum_s += duration_s

    def read(self) -> Durations:
        """Return the counts as they stand."""
        return Durations(list(self._counts), self._sum_s)


class DecodingMetrics:
    """Counters of all models of a worker."""

    def __init__(self) -> None:
        self.calls = Stats()
        """Model calls, with the new tokens of their rows."""
        self.tokens_in = 0
        self.tokens_out = 0
        self.first_token = Histogram()
        self.token_gap = Histogram()
        self.busy_since: float | None = None
        """``time.monotonic()`` at the start of the model call that runs now; a watchdog reads it."""

    @contextmanager
    def calling(self, lengths: Sequence[int]) -> Iterator[None]:
        """Count a model call with so many new tokens in each row, and show that it runs."""
        self.busy_since = time.monotonic()
        try:
            yield
        finally:
            self.busy_since = None
        self.calls.count(lengths)
