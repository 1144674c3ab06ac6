"""Search in the running sum of weights without computing all of it: for a vocabulary that takes ten times longer."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]
"""float64 [tokens], none negative, at least one above 0."""

_BLOCK = 256


def place_exceeding(weights: Weights, share: float) -> int:
    """Return the first place where the running sum exceeds this share of the whole: the inverse CDF.

    Args:
        weights: as above.
        share: from 0 to below 1.

    Returns:
        A place whose weight is above 0.
    """
    sums = _block_sums(weights)
    return _place(weights, sums, share * float(sums[-1]), "right")


def place_reaching(weights: Weights, goal: float) -> int:
    """Return the first place where the running sum is at least ``goal``; near the end if it never is."""
    return _place(weights, _block_sums(weights), goal, "left")


def _block_sums(weights: Weights) -> Weights:
    sums: Weights = np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK)).cumsum()
    return sums


def _place(weights: Weights, sums: Weights, goal: float, side: Literal["left", "right"]) -> int:
    goal = _below(goal, sums)
    block = int(sums.searchsorted(goal, side=side))
    start = block * _BLOCK
    running = weights[start : start + _BLOCK].cumsum()
    # The sum of a block and its running sum are rounded differently, so the rest may be a little too much for it.
    rest = _below(goal - float(sums[block - 1]) if block else goal, running)
    return start + int(running.searchsorted(rest, side=side))


def _below(goal: float, running: Weights) -> float:
    return min(goal, float(np.nextafter(running[-1], 0.0)))
