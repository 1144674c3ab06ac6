"""Where a job waits: what will probably be started before it, and so when it will be done."""

from typing import NamedTuple, TypeVar

from contracts.jobs import Lane
from contracts.store.queues.shares import LaneUse, Shares

LEFT = 0.7
"""Of the work of jobs that run, the part that a job waits for at least. `LEFT` of lua/shares/admission.lua.

Half of what a worker does at a time is done, on average. But of what it holds it does only a part at a time; and where
it does all, a job shares it with those that start later. So a steady queue takes its jobs as long as if two thirds to
four fifths of this were left. What a worker holds beyond that waits in it, and hardly anything of it was done yet.
"""
OVERTAKING = 2.0
"""`OVERTAKING` of workers/runtime/sharing/line.py."""
MAX_BESIDE = 15
"""Jobs that a job shares its worker with at most. `MAX_BESIDE` of the same."""


class WaitingWork(NamedTuple):
    """What waits of a flow, which is one tenant in one lane, in work-seconds. As lua/shares/flows.lua keeps it."""

    backlog: float = 0.0
    """Work that waits."""
    weight: float = 1.0
    last_deadline: float = 0.0
    """Of the job that has entered last."""
    num: float = 0.0
    """Jobs that wait."""
    entered: float = 0.0
    """Work that has entered since nothing has waited. Work that was given up has not."""


class RunningWork(NamedTuple):
    """What runs of a flow, as lua/shares/flows.lua keeps it."""

    num: float = 0.0
    work: float = 0.0
    weight: float = 0.0
    squares: float = 0.0
    """Sum of the squares of the jobs' work."""


Work = TypeVar("Work", WaitingWork, RunningWork)


def stored(kind: type[Work], text: bytes | None) -> Work:
    """Return what the store says of a flow; nothing waits or runs for anything else."""
    try:
        return kind(*map(float, (text or b"").split()))
    except (ValueError, TypeError):
        return kind()


class Place(NamedTuple):
    """The place of a job that waits. Work is in work-seconds."""

    position: int
    """Jobs that will probably be started before it."""
    work_ahead_s: float | None
    """Work that will probably be started before it; None if that is not known."""
    price_s: float = 0.0
    """Of the job itself."""
    running_s: float = 0.0
    """Work of jobs that run which will probably be done before it."""
    least_s: float = 0.0
    """Seconds that the job takes by itself at least."""

    def eta_s(self, lane_rate: float, capacity: float) -> float | None:
        """Return in how many seconds the job will probably be done; None if that can't be known.

        Rates that are not known are 0.

        Args:
            lane_rate: work-seconds that the job's lane gets in a second.
            capacity: work-seconds that all workers of its model do in a second.
        """
        if self.work_ahead_s is None or lane_rate <= 0 or capacity <= 0:
            return None
        own_s = max(self.price_s / lane_rate, self.least_s)
        return self.work_ahead_s / lane_rate + self.running_s / capacity + own_s


def place_in_flow(
    shares: Shares,
    flow: WaitingWork,
    running: RunningWork,
    lane: Lane,
    use: LaneUse,
    *,
    start: float,
    rank: int,
    mark_s: float,
    price_s: float,
) -> Place:
    """Return the place of a job that waits in its flow. `place_of` in lua/shares/admission.lua does it at the submit.

    Args:
        shares: of its queue.
        flow: what waits of the job's.
        running: what runs of it.
        lane: the job's.
        use: of the lane, of late.
        start: virtual start of the flow.
        rank: jobs of the flow before it.
        mark_s: work that had entered the flow before it.
        price_s: of the job.
    """
    own_s = _own_before(flow, mark_s, price_s) if rank else 0.0
    until_s, weight = own_s + price_s, flow.weight or 1.0
    others_s = max(0.0, shares.work[lane] - flow.backlog)
    left_s = part_left(shares) * running.work
    others_running_s = max(0.0, part_left(shares) * shares.running_of[lane] - left_s)
    ahead = max(0.0, start - shares.virtual[lane], left_s / weight)
    by_shares_s = (until_s / weight + ahead) * _others_weight(shares, flow, running, lane)
    least_s = (until_s + ahead * weight) * (1.0 / use.share_of(weight) - 1.0)
    meanwhile_s = max(least_s, min(others_s, by_shares_s))
    running_s = max(least_s, min(others_s + others_running_s, by_shares_s)) - meanwhile_s
    running_s += left_s if rank else _not_overtaken(running, left_s, price_s)
    part = min(1.0, meanwhile_s / others_s) if others_s > 0 else 1.0
    num_others = max(0.0, shares.num[lane] - flow.num)
    return Place(rank + int(num_others * part + 0.5), own_s + meanwhile_s, price_s, running_s)


def part_left(shares: Shares) -> float:
    """Return the part of what runs that a job waits for. The function of the same name in lua/shares/admission.lua."""
    return 1.0 - (1.0 - LEFT) * min(1.0, (MAX_BESIDE + 1) / max(1.0, shares.num_running))


def _others_weight(shares: Shares, flow: WaitingWork, running: RunningWork, lane: Lane) -> float:
    # Most tenants of whom jobs run have others that wait, or none has.
    return max(0.0, shares.weights[lane] - flow.weight, shares.running_weights[lane] - running.weight)


def _not_overtaken(running: RunningWork, left_s: float, price_s: float) -> float:
    """Return what is before the first job that waits of a flow, of those that run. `own_before` of the scripts."""
    if running.work <= 0:
        return left_s
    # In the worker it overtakes the last one, if it is small beside that: of those, the mean over their work is known.
    return min(left_s, max(0.0, running.work - running.squares / running.work) + OVERTAKING * price_s)


def _own_before(flow: WaitingWork, mark_s: float, price_s: float) -> float:
    """Return the work of a job's own flow that waits before it."""
    # What was served of the flow went before the job. What was given up behind it makes it seem later, never earlier.
    served_s = flow.entered - flow.backlog
    return max(0.0, min(mark_s - served_s, flow.backlog - price_s))
