"""The waiting queue: jobs take turns (round robin), and the requests of one job keep their order.

With one request per job this is first come, first served. A job of a thousand requests does not hold up the jobs behind
it: it gets every second turn beside one other job.
"""

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

Job = TypeVar("Job")
Item = TypeVar("Item")


class WaitingQueue(Generic[Job, Item]):
    """The waiting items of several jobs."""

    def __init__(self) -> None:
        self._turns: deque[Job] = deque()
        self._items: dict[Job, deque[Item]] = {}

    def __len__(self) -> int:
        # The heartbeat's thread reads this while the inference thread changes the dict: list() copies it in one go.
        return sum(map(len, list(self._items.values())))

    @property
    def jobs(self) -> Iterable[Job]:
        """The jobs with waiting items."""
        return self._items.keys()

    def add(self, job: Job, items: Iterable[Item]) -> None:
        """Append a new job with its items."""
        waiting = deque(items)
        if waiting:
            self._items[job] = waiting
            self._turns.append(job)

    def peek(self) -> tuple[Job, Item] | None:
        """Return the next job and its next item, or None if nothing waits.

        Both stay in the queue: an item that does not fit yet must not be overtaken, or it could wait for ever.
        """
        return (self._turns[0], self._items[self._turns[0]][0]) if self._turns else None

    def pop(self) -> Item:
        """Remove and return the item that ``peek`` returned; its job goes to the end of the queue.

        Raises:
            IndexError: nothing waits.
        """
        job = self._turns.popleft()
        item = self._items[job].popleft()
        if self._items[job]:
            self._turns.append(job)
        else:
            del self._items[job]
        return item

    def remove(self, job: Job) -> None:
        """Remove a job with all its items, if it waits."""
        if self._items.pop(job, None) is not None:
            self._turns.remove(job)
