"""Who is next: jobs take turns, and the texts of one job come in order. Pure bookkeeping.

With one text a job this is first come, first served. A job of a thousand texts does not hold up the one behind it, and
gets every second turn beside it.
"""

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

Job = TypeVar("Job")
Item = TypeVar("Item")


class WaitingQueue(Generic[Job, Item]):
    """Items of several jobs, in the order in which they are to be served."""

    def __init__(self) -> None:
        self._turns: deque[Job] = deque()
        self._items: dict[Job, deque[Item]] = {}

    def __len__(self) -> int:
        return sum(len(items) for items in self._items.values())

    @property
    def jobs(self) -> Iterable[Job]:
        """The jobs with items in the line."""
        return self._items.keys()

    def add(self, job: Job, items: Iterable[Item]) -> None:
        """Put the items of a new job at the end of the line."""
        waiting = deque(items)
        if waiting:
            self._items[job] = waiting
            self._turns.append(job)

    def first(self) -> tuple[Job, Item] | None:
        """Return whose turn it is, and leave it there: who does not fit yet must not be overtaken for ever."""
        return (self._turns[0], self._items[self._turns[0]][0]) if self._turns else None

    def take(self) -> Item:
        """Remove and return what ``first`` returned; its job goes to the end of the line.

        Raises:
            IndexError: there is nothing.
        """
        job = self._turns.popleft()
        item = self._items[job].popleft()
        if self._items[job]:
            self._turns.append(job)
        else:
            del self._items[job]
        return item

    def discard(self, job: Job) -> None:
        """Forget a job's items."""
        if self._items.pop(job, None) is not None:
            self._turns.remove(job)
