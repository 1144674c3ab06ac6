"""The outcomes that wait to be recorded. Step 7 on the path of a job."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from contracts.jobs import Flow
from contracts.store.attempts.outcomes import Outcome
from workers.runtime.attempts.attempt import Attempt

MAX_OUTCOME_BYTES = 1 << 20
"""Of one call: larger ones would keep the store from others. A single outcome may be larger."""


class Ended(NamedTuple):
    """An attempt whose outcome is to be recorded."""

    attempt: Attempt
    outcome: Outcome


class EndedJobs:
    """Outcomes in the order in which they are recorded. Only the intake's thread uses them.

    The first one of each flow goes before all that are not: a single job does not wait until the hundreds are recorded
    that ended with it.
    """

    def __init__(self) -> None:
        self._ended: deque[Ended] = deque()
        self._num_firsts = 0
        self._flows: Counter[Flow] = Counter()
        self._next: tuple[int, list[Ended]] | None = None
        """What `next` has returned, and for how many, until something changes."""

    def __len__(self) -> int:
        return len(self._ended)

    def __iter__(self) -> Iterator[Ended]:
        return iter(self._ended)

    def add(self, ended: Iterable[Ended]) -> None:
        """Add outcomes."""
        for one in ended:
            self._next = None
            flow = one.attempt.flow
            if flow in self._flows:
                self._ended.append(one)
            else:
                self._ended.insert(self._num_firsts, one)
                self._num_firsts += 1
            self._flows[flow] += 1

    def next(self, most: int) -> list[Ended]:
        """Return those for the next call, at most so many."""
        if self._next is None or self._next[0] != most:
            self._next = most, self._first(most)
        return self._next[1]

    def _first(self, most: int) -> list[Ended]:
        found: list[Ended] = []
        num_bytes = 0
        for ended in islice(self._ended, most):
            num_bytes += ended.outcome.num_bytes
            if found and num_bytes > MAX_OUTCOME_BYTES:
                break
            found.append(ended)
        return found

    def remove(self, num: int) -> None:
        """Remove the first ones, which are recorded."""
        self._next = None
        for _ in range(num):
            flow = self._ended.popleft().attempt.flow
            self._flows[flow] -= 1
            if not self._flows[flow]:
                del self._flows[flow]
        self._num_firsts = max(0, self._num_firsts - num)

    def put_back(self) -> None:
        """Put the first one behind all others: the store may have refused it, which must not stop them."""
        self._next = None
        self._ended.rotate(-1)
        self._num_firsts = max(0, self._num_firsts - 1)

    def clear(self) -> None:
        """Remove all."""
        self._next = None
        self._ended.clear()
        self._flows.clear()
        self._num_firsts = 0
