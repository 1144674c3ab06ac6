"""The jobs of one flow in their order: nearly first come, first served.

What was accepted must be done by its deadline, which is reckoned as if the jobs of a flow were served in their order.
If they took turns, a large one would wait for all that come after it, and miss its deadline. But a small job need not
wait for a large one to end: it goes first, as long as what overtakes a job is no more than the job's own work.
"""

import bisect
from collections.abc import Hashable
from typing import Generic, TypeVar

Job = TypeVar("Job", bound=Hashable)
OVERTAKING = 2.0
"""A job's place is the work that had come before it, and its own so many times; 1 is first come, first served."""


class Line(Generic[Job]):
    """Jobs by place. Work is in any unit, the same for all jobs."""

    def __init__(self) -> None:
        self._places: dict[Job, tuple[float, int]] = {}
        self._order: list[tuple[float, int, Job]] = []
        self._entered = 0.0
        self._num_entered = 0

    def __bool__(self) -> bool:
        return bool(self._order)

    def add(self, job: Job, work: float) -> None:
        """Give a new job its place."""
        self._num_entered += 1
        place = self._places[job] = self._entered + OVERTAKING * work, self._num_entered
        self._entered += work
        bisect.insort(self._order, (*place, job))

    def first(self) -> Job:
        """Return the job whose turn it is until it leaves, or a smaller one comes."""
        return self._order[0][2]

    def remove(self, job: Job) -> None:
        """Take a job out."""
        place = self._places.pop(job)
        del self._order[bisect.bisect_left(self._order, place)]
