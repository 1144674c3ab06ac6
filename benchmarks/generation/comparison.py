"""Sides of a comparison: whether they wrote the same, and how fast one was as a share of the other."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from benchmarks.harness.report import BenchError

LEAST_EQUAL = 0.9
"""Share of texts that must be equal. Not all: what is computed in pieces, or beside others, may round differently, and
weights that were drawn at random make near ties."""
Tokens = Sequence[Sequence[int]]
Found = TypeVar("Found")


def share_equal(found: Sequence[object], expected: Sequence[object]) -> float:
    """Return the share of equal texts; one may differ even among a few.

    Raises:
        BenchError: it is too small for rounding to be the reason.
    """
    num_wrong = sum(one != other for one, other in zip(found, expected, strict=True))
    if num_wrong > max(1.0, (1 - LEAST_EQUAL) * len(expected)):
        raise BenchError(f"{num_wrong} of {len(expected)} texts are not the ceiling's")
    return 1 - num_wrong / len(expected)


def ratios_of(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return one ratio for each round."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def timed(call: Callable[[], Found]) -> tuple[float, Found]:
    """Return the seconds that a call took, and what it returned."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found
