"""The speed of a worker: work-seconds that it does in a second while it is full."""

import math
from collections.abc import Iterator, Mapping

from msgspec import structs

from contracts.price.estimate import work_of
from contracts.price.profile import ModelProfile
from workers.runtime.price.windows import Totals, Window

MEMORIES_S = (4.0, 30.0)
"""Seconds of a full worker after which an older one counts a third, by two memories. A worker that gets slower is so by
the first one: in 10 s, 92 % of a change is seen. One that seems to get faster must be so by the second one, too."""
EXPECTED_S = 1.0
"""How much counts what is expected before anything was measured."""

LEAST_PART, MOST_PART, FORGET_S = 1 / 16, 0.5, 600.0
"""Of the speed that was measured when the models were loaded, the least part that is believed: right after the worker
was full, later at most, and in how many seconds it grows by 1. A full worker has more to do than model calls."""


def least_part(not_full_s: float) -> float:
    """Return the part of the measured speed that a worker is believed to have, whatever it was found to have.

    What was found holds until the worker is full again. If it was found while the machine had other things to do, so
    little may be accepted because of it that this never happens.

    Args:
        not_full_s: seconds since the worker was full.
    """
    return min(MOST_PART, LEAST_PART + not_full_s / FORGET_S)


class Speed:
    """The speed that a worker has had of late, and for longer: the lower of two means.

    What is accepted by it waits for many seconds. By a mean of a few seconds alone, most would be accepted whenever the
    worker seems fastest, and would be late.
    """

    def __init__(self) -> None:
        self._means = [_Mean(memory_s) for memory_s in MEMORIES_S]

    def add(self, window: Window) -> None:
        """Add a window."""
        for mean in self._means:
            mean.add(window)

    def value(self, prices: Mapping[str, ModelProfile], expected: float) -> float:
        """Return the speed by these prices.

        Args:
            prices: of each model.
            expected: the speed before anything was measured.
        """
        return min(mean.value(prices, expected) for mean in self._means)


class _Mean:
    """A mean over the windows of a worker, in which the last ones count most.

    It remembers counts, so that prices may change and the speed is one by the new ones at once.
    """

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._length_s = 0.0
        self._expected_s = EXPECTED_S
        self._done: dict[str, list[float]] = {}

    def add(self, window: Window) -> None:
        kept = math.exp(-window.length_s / self._memory_s)
        self._expected_s *= kept
        self._length_s = self._length_s * kept + window.length_s
        for model in self._done.keys() | window.done.keys():
            before, now = self._done.get(model, [0.0] * len(Totals())), window.done.get(model, Totals())
            self._done[model] = [then * kept + more for then, more in zip(before, now, strict=True)]

    def value(self, prices: Mapping[str, ModelProfile], expected: float) -> float:
        work_s = sum(_works(self._done, prices))
        return (work_s + expected * self._expected_s) / (self._length_s + self._expected_s)


def _works(done: Mapping[str, list[float]], prices: Mapping[str, ModelProfile]) -> Iterator[float]:
    for model, profile in prices.items():
        total = Totals(*done[model]) if model in done else Totals()
        yield total.num_jobs * profile.request_s
        yield work_of(
            structs.replace(profile, request_s=0.0),
            num_rows=total.num_rows,
            tokens_in=total.tokens_in,
            token_pairs=total.token_pairs,
            tokens_out=total.tokens_out,
        )
