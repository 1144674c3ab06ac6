"""The waiting queue: who gets the next slot or thread. Flows share by what they have in use, jobs of a flow take turns.

With one item a job and one flow this is first come, first served. A job of a thousand items does not hold up the jobs
behind it: it gets every second turn beside one other job of its flow. And a flow of a thousand jobs does not hold up
another flow: what is free goes to the one that has least in use for its share.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from contracts.jobs import Claim, Flow

Job = TypeVar("Job")
Item = TypeVar("Item")


class WaitingQueue(Generic[Job, Item]):
    """The waiting items of several jobs."""

    def __init__(self) -> None:
        self._items: dict[Job, deque[Item]] = {}
        self._flow_of: dict[Job, Flow] = {}
        self._turns: dict[Flow, deque[Job]] = {}
        """The flow that was served last is the last, too."""
        self._shares: dict[Flow, float] = {}

    def __len__(self) -> int:
        # The heartbeat's thread reads this while the inference thread changes the dict: list() copies it in one go.
        return sum(map(len, list(self._items.values())))

    @property
    def jobs(self) -> Iterable[Job]:
        """The jobs with waiting items."""
        return self._items.keys()

    def add(self, job: Job, items: Iterable[Item], claim: Claim) -> None:
        """Append a new job with its items; the claim says which flow it belongs to."""
        waiting = deque(items)
        if waiting:
            self._items[job] = waiting
            self._flow_of[job] = claim.flow
            self._shares[claim.flow] = claim.share
            self._turns.setdefault(claim.flow, deque()).append(job)

    def peek(
        self, in_use: Mapping[Flow, int], may_have: Callable[[Job, Item], bool] = lambda job, item: True
    ) -> tuple[Job, Item] | None:
        """Return the next job and its next item, or None if nothing waits that may be served.

        Both stay in the queue: an item that does not fit yet must not be overtaken, or it could wait for ever.

        Args:
            in_use: how much flows have.
            may_have: whether a job's item may be served; if not, its flow is passed by.
        """
        # Of flows with equally much, the one that was served longest ago stays first.
        for flow in sorted(self._turns, key=lambda flow: in_use.get(flow, 0) / self._shares[flow]):
            job = self._turns[flow][0]
            item = self._items[job][0]
            if may_have(job, item):
                return job, item
        return None

    def pop(self, job: Job) -> Item:
        """Remove and return the next item of a job, which ``peek`` returned; the job goes to the end of its flow.

        Raises:
            KeyError: the job has none.
        """
        item = self._items[job].popleft()
        flow = self._flow_of[job]
        jobs = self._turns.pop(flow)
        jobs.remove(job)
        if self._items[job]:
            jobs.append(job)
        else:
            del self._items[job], self._flow_of[job]
        self._keep(flow, jobs)
        return item

    def remove(self, job: Job) -> None:
        """Remove a job with all its items, if it waits."""
        if self._items.pop(job, None) is not None:
            flow = self._flow_of.pop(job)
            self._turns[flow].remove(job)
            if not self._turns[flow]:
                del self._turns[flow], self._shares[flow]

    def _keep(self, flow: Flow, jobs: deque[Job]) -> None:
        """Put a flow to the end of those that have jobs."""
        if jobs:
            self._turns[flow] = jobs
        else:
            del self._shares[flow]
