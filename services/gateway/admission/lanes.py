"""How much of a model's capacity a lane gets. Pure functions.

Lanes in which jobs wait share the capacity by weights. What the others leave is a lane's as well, so a lane gets what
they did not use of late and what waits in them does not need, if that is more.
"""

import math
from collections.abc import Mapping

from contracts.jobs import LANE_WEIGHTS, LANES, Lane

WINDOW_S = 5.0
"""How long ago "of late" is: the mean age of what counts. What is promised to a job depends on it, and jobs may have
deadlines of some seconds."""
RISE_S = 1.0
"""The same for use that grows."""
LEAST_USE = 0.01
"""Part of the capacity. A lane that has used less of late, and in which nobody waits, does not count."""

LEAST_PROGRESS = 1e-6
"""Of a virtual time or of use, below which nothing was served."""

ByLane = Mapping[Lane, float]
NOTHING: ByLane = dict.fromkeys(LANES, 0.0)


def rates(earlier: ByLane, now: ByLane, elapsed_s: float) -> ByLane:
    """Return by how much counts of lanes have grown in a second, of those ``elapsed_s`` between two reads."""
    # Less than before: a correction by the truth, a queue that was idle, or another store.
    return {lane: max(0.0, now[lane] - earlier[lane]) / elapsed_s for lane in LANES}


def mean_of_late(before: ByLane, found: ByLane, elapsed_s: float) -> ByLane:
    """Return the mean of rates, in which older ones count less and less: ``before`` until now, ``found`` since."""
    part = 1 - math.exp(-elapsed_s / WINDOW_S)
    return {lane: before[lane] + part * (found[lane] - before[lane]) for lane in LANES}


def use_of_late(before: ByLane, found: ByLane, elapsed_s: float) -> ByLane:
    """Return the same of the work that lanes were given, except that more is noticed sooner than less.

    What one lane uses is promised to the others no more.
    """
    quick = 1 - math.exp(-elapsed_s / RISE_S)
    mean = mean_of_late(before, found, elapsed_s)
    return {lane: max(mean[lane], before[lane] + quick * (found[lane] - before[lane])) for lane in LANES}


def most_of_late(before: ByLane, found: ByLane, elapsed_s: float) -> ByLane:
    """Return the most that was found, of which what is long ago counts less and less."""
    part = math.exp(-elapsed_s / WINDOW_S)
    return {lane: max(found[lane], part * before[lane]) for lane in LANES}


def weights_of_late(given: ByLane, progress: ByLane, seen: ByLane) -> ByLane:
    """Return the weights of the tenants that used lanes of late, as far as each of them took its share; 0 if none did.

    A lane's virtual time goes on by what a tenant of weight 1 gets that waits all along. So this is what all got, by
    what one of them got. But it goes on by a job only when the next one of the same tenant is started: after a large
    one it stands still for a while, and nobody else was there.

    Args:
        given: work-seconds a second that lanes were given, a mean of late.
        progress: of their virtual times, the same mean.
        seen: most weights of tenants of whom jobs have waited or run of late.
    """
    return {
        lane: min(seen[lane], given[lane] / progress[lane]) if progress[lane] > LEAST_PROGRESS else 0.0
        for lane in LANES
    }


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
