"""The waiting queue: who gets the next slot or thread.

Flows share by what they have in use, and the jobs of a flow stand in line. A flow of a thousand jobs does not hold up
another one: what is free goes to the one that has least in use for its share.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from contracts.jobs import Claim, Flow
from workers.runtime.sharing.line import Line

Job = TypeVar("Job", bound=Hashable)
Item = TypeVar("Item")


class WaitingQueue(Generic[Job, Item]):
    """The waiting items of several jobs."""

    def __init__(self) -> None:
        self._items: dict[Job, deque[Item]] = {}
        self._flow_of: dict[Job, Flow] = {}
        self._lines: dict[Flow, Line[Job]] = {}
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
            # A model that was not measured yet has no prices.
            self._lines.setdefault(claim.flow, Line()).add(job, claim.price_s or len(waiting))

    def peek(
        self, in_use: Mapping[Flow, int], may_have: Callable[[Job, Item], bool] = lambda job, item: True
    ) -> tuple[Job, Item] | None:
        """Return the next job and its next item, or None if nothing waits that may be served.

        Both stay in the queue: an item that does not fit yet must not be overtaken, or it could wait for ever.

        Args:
            in_use: how much flows have.
            may_have: whether a job's item may be served; if not, its flow is passed by.
        """
        return next((head for head in self.heads(in_use) if may_have(*head)), None)

    def heads(self, in_use: Mapping[Flow, int]) -> Iterator[tuple[Job, Item]]:
        """Yield the next job of each flow with its next item; the flow with the least in use for its share first."""
        # Of flows with equally much, the one that was served longest ago stays first.
        for flow in sorted(self._lines, key=lambda flow: in_use.get(flow, 0) / self._shares[flow]):
            job = self._lines[flow].first()
            yield job, self._items[job][0]

    def pop(self, job: Job) -> Item:
        """Remove and return the next item of a job, which ``peek`` returned; its flow goes to the end.

        Raises:
            KeyError: the job has none.
        """
        item = self._items[job].popleft()
        flow = self._flow_of[job]
        line = self._lines.pop(flow)
        if not self._items[job]:
            del self._items[job], self._flow_of[job]
            line.remove(job)
        if line:
            self._lines[flow] = line
        else:
            del self._shares[flow]
        return item

    def remove(self, job: Job) -> None:
        """Remove a job with all its items, if it waits."""
        if self._items.pop(job, None) is not None:
            flow = self._flow_of.pop(job)
            self._lines[flow].remove(job)
            if not self._lines[flow]:
                del self._lines[flow], self._shares[flow]
