"""How much memory a model call takes beside the weights, measured on the graph itself when a model is loaded.

Attention holds several numbers for each pair of tokens of a row and each of its heads, so a row of 8,192 tokens takes
256 times as much as one of 512. How many numbers that are depends on the graph (masks, copies, fused operators) and is
written nowhere in it.
"""

from math import sqrt
from statistics import median
from typing import NamedTuple, Protocol

from workers.runtime.process.memory import release_memory, resident_bytes

PROBE_TOKENS = 512
"""Longest row that is run to measure. Every worker must be able to run it."""
SHORT_TOKENS = 16
LARGE_BYTES = 64 << 20
"""A call that takes more gives its memory back to the system, which ONNX Runtime would keep for its next calls. To get
and clear the pages anew took 1 s of CPU for each 2 GB."""
MARGIN = 1.25
"""Large calls were measured to take up to this many times what short ones predict: how blocks of memory fit into one
another depends on their sizes."""
_TOLERANCE_BYTES = 1 << 20


class CallMemory(NamedTuple):
    """What a call takes: for each token of its padded rows, and for each pair of tokens of a row."""

    token_bytes: float
    pair_bytes: float

    def num_bytes(self, num_rows: int, longest: int) -> float:
        """Return what a call with these rows takes, all of them padded to the longest."""
        return num_rows * longest * (self.token_bytes + self.pair_bytes * longest)

    def longest(self, budget_bytes: float, most: int) -> int:
        """Return how many tokens a single row may have within a budget; at most ``most``."""
        if self.num_bytes(1, most) <= budget_bytes:
            return most
        if budget_bytes <= 0:
            return 0
        # The positive root of pair_bytes * n² + token_bytes * n = budget_bytes, in a form that also holds for 0 pairs.
        root = sqrt(self.token_bytes**2 + 4 * self.pair_bytes * budget_bytes)
        return int(2 * budget_bytes / (self.token_bytes + root))


UNPLANNED = CallMemory(0.0, 0.0)
"""Of calls on a GPU, which has a memory of its own."""


class Probe(Protocol):
    """Runs a call with one row of so many tokens, and returns once it has ended."""

    def __call__(self, num_tokens: int, *, give_back: bool) -> object:
        """Run the call; ``give_back``: afterwards ONNX Runtime keeps no memory that is free."""
        ...


def measure(run: Probe, longest: int) -> CallMemory:
    """Return what the calls of a model take, from calls with up to ``PROBE_TOKENS`` tokens and with a margin."""
    high = min(longest, PROBE_TOKENS)
    low = max(1, high // 2)
    run(low, give_back=True)  # the first call also allocates what stays
    at_low, at_high = _steady_growth(run, low), _steady_growth(run, high)
    if low == high:
        return CallMemory(at_high / high, 0.0)
    pair_bytes = (at_high / high - at_low / low) / (high - low)
    token_bytes = at_low / low - pair_bytes * low
    # One of both is negative only where it hardly counts; then the other one has to explain all of it.
    if token_bytes < 0:
        return CallMemory(0.0, at_high / high**2)
    return CallMemory(token_bytes, pair_bytes) if pair_bytes > 0 else CallMemory(at_high / high, 0.0)


def _steady_growth(run: Probe, num_tokens: int) -> float:
    """Return the growth on which two measurements agree, since jobs may run on another model meanwhile."""
    growths = [_growth(run, num_tokens), _growth(run, num_tokens)]
    if max(growths) > 1.25 * min(growths) + _TOLERANCE_BYTES:
        growths.append(_growth(run, num_tokens))
    return MARGIN * max(0.0, float(median(growths)))


def _growth(run: Probe, num_tokens: int) -> int:
    """Return how much larger the process is after a call: ONNX Runtime keeps all that the call has used."""
    release_memory()  # otherwise the call would use free memory that the process has already
    before = resident_bytes()
    run(num_tokens, give_back=False)
    after = resident_bytes()
    run(min(num_tokens, SHORT_TOKENS), give_back=True)
    return after - before
