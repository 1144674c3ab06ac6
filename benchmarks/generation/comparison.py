"""Two sides of a comparison: whether they generated the same, and their ratios."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from benchmarks.harness.report import BenchError

MIN_EQUAL = 0.9
"""Share of texts that must be equal. Not all of them can be: a prompt that is read in chunks, or a batch of another
size, rounds differently, and random weights make many near ties."""
Tokens = Sequence[Sequence[int]]
Found = TypeVar("Found")


def share_equal(found: Sequence[object], expected: Sequence[object]) -> float:
    """Return the share of equal texts; one may differ even among a few.

    Raises:
        BenchError: too many differ to be explained by rounding.
    """
    num_wrong = sum(one != other for one, other in zip(found, expected, strict=True))
    if num_wrong > max(1.0, (1 - MIN_EQUAL) * len(expected)):
        raise BenchError(f"{num_wrong} of {len(expected)} texts are not the ceiling's")
    return 1 - num_wrong / len(expected)


def ratios_of(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return one ratio for each round."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def timed(call: Callable[[], Found]) -> tuple[float, Found]:
    """Return the duration of a call in seconds, and its result."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found
