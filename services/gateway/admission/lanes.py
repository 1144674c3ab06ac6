"""How much of a model's capacity a lane gets. Pure functions.

Lanes in which jobs wait share the capacity by weights. What the others leave is a lane's as well, so a lane gets what
they did not use of late and what waits in them does not need, if that is more.
"""

import math
from collections.abc import Mapping

from contracts.jobs import LANE_WEIGHTS, LANES, Lane

WINDOW_S = 30.0
"""How long ago "of late" is: the mean age of what counts."""
LEAST_USE = 0.01
"""Part of the capacity. A lane that has used less of late, and in which nobody waits, does not count."""

ByLane = Mapping[Lane, float]
NOTHING: ByLane = dict.fromkeys(LANES, 0.0)


def use_of_late(before: ByLane, earlier: ByLane, now: ByLane, elapsed_s: float) -> ByLane:
    """Return the work-seconds a second that lanes were given of late, a mean in which older ones count less and less.

    Args:
        before: what was returned last.
        earlier: work that had been started then.
        now: work that has been started now.
        elapsed_s: how much later that is.
    """
    part = 1 - math.exp(-elapsed_s / WINDOW_S)
    return {lane: before[lane] + part * (_rate(lane, earlier, now, elapsed_s) - before[lane]) for lane in LANES}


def _rate(lane: Lane, earlier: ByLane, now: ByLane, elapsed_s: float) -> float:
    # Less than before: a correction by the truth, or another store.
    return max(0.0, now[lane] - earlier[lane]) / elapsed_s


def lane_rate(lane: Lane, capacity: float, waiting: ByLane, use: ByLane) -> float:
    """Return the work-seconds that a lane gets in a second, if jobs wait in it from now on.

    Args:
        lane: which lane.
        capacity: of the model.
        waiting: work that waits.
        use: work-seconds a second that lanes were given of late.
    """
    others = [other for other in LANES if other != lane]
    busy = [other for other in others if waiting[other] > 0 or use[other] > LEAST_USE * capacity]
    all_weights = sum(LANE_WEIGHTS[one] for one in (lane, *busy))

    def taken_by(other: Lane) -> float:
        # At the start of a burst, or with no worker alive, much waits of which nothing was started yet.
        needed = min(waiting[other] / WINDOW_S, capacity * LANE_WEIGHTS[other] / all_weights)
        return max(use[other], needed)

    return max(capacity * LANE_WEIGHTS[lane] / all_weights, capacity - sum(map(taken_by, others)))
