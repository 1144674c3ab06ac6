"""How much of a model's capacity a lane gets. Pure functions.

Lanes in which jobs wait share the capacity by weights. What the others leave is a lane's as well, so a lane gets what
they did not use of late, if that is more.
"""

import math
from collections.abc import Mapping

from contracts.jobs import LANE_WEIGHTS, LANES, Lane
from contracts.store.shares import Shares

WINDOW_S = 30.0
"""How long ago "of late" is: the mean age of what counts."""
LEAST_USE = 0.01
"""Part of the capacity. A lane that has used less of late, and in which nobody waits, does not count."""

Use = Mapping[Lane, float]
"""Work-seconds a second that each lane was given of late."""
NO_USE: Use = dict.fromkeys(LANES, 0.0)


def use_of_late(before: Use, earlier: Shares, now: Shares, elapsed_s: float) -> Use:
    """Return the use of the lanes after ``elapsed_s`` more seconds, a mean in which older ones count less and less."""
    part = 1 - math.exp(-elapsed_s / WINDOW_S)
    return {lane: before[lane] + part * (_rate(lane, earlier, now, elapsed_s) - before[lane]) for lane in LANES}


def _rate(lane: Lane, earlier: Shares, now: Shares, elapsed_s: float) -> float:
    # Less than before: a correction by the truth, or another store.
    return max(0.0, now.served[lane] - earlier.served[lane]) / elapsed_s


def lane_rate(lane: Lane, capacity: float, shares: Shares, use: Use) -> float:
    """Return the work-seconds that a lane gets in a second, if jobs wait in it from now on."""
    others = [other for other in LANES if other != lane]
    busy = [other for other in others if shares.work[other] > 0 or use[other] > LEAST_USE * capacity]
    by_weight = LANE_WEIGHTS[lane] / sum(LANE_WEIGHTS[one] for one in (lane, *busy))
    left_over = 1 - sum(use[other] for other in others) / capacity
    return capacity * max(by_weight, left_over)
