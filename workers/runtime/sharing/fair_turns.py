"""Start-time fair queueing: whose turn is next where turns differ in what they take.

Each flow has a virtual start, which what it takes moves on by its amount divided by the flow's share. The flow with the
least start is next, and its start is the virtual time. A flow that comes begins at that time: it is next as soon as it
is there, and gains nothing by having been away. Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996.
"""

import heapq
from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

Flow = TypeVar("Flow", bound=Hashable)


class FairTurns(Generic[Flow]):
    """Turns of several flows, none of which is None. All calls take O(log n) for n flows, spread over the calls."""

    def __init__(self) -> None:
        self._now = 0.0
        self._starts: dict[Flow, float] = {}
        self._shares: dict[Flow, float] = {}
        self._heap: list[tuple[float, int, Flow]] = []
        """By the start that the flow had when it was put there, and after it by age. It may have been charged since."""
        self._number = count()

    def __len__(self) -> int:
        return len(self._starts)

    def join(self, flow: Flow, share: float) -> None:
        """Let a flow take turns, unless it does. The share is what it gets in relation to others, above 0."""
        self._shares[flow] = share
        if flow not in self._starts:
            self._starts[flow] = self._now
            heapq.heappush(self._heap, (self._now, next(self._number), flow))

    def first(self, has_work: Callable[[Flow], bool]) -> Flow | None:
        """Return the flow whose turn it is, or None if none has work.

        A flow without work stays until its turn comes: until then it has had more than others.
        """
        while self._heap:
            put_at, _, flow = self._heap[0]
            start = self._starts[flow]
            if put_at < start:
                heapq.heapreplace(self._heap, (start, next(self._number), flow))
            elif has_work(flow):
                self._now = start
                return flow
            else:
                heapq.heappop(self._heap)
                del self._starts[flow], self._shares[flow]
        return None

    def lead(self, flow: Flow) -> float:
        """Return how much more a flow that takes turns has had, for its share, than the one whose turn it is."""
        return (self._starts[flow] - self._now) * self._shares[flow]

    def charge(self, flow: Flow, amount: float) -> None:
        """Note that a flow which takes turns gets this much, in its own turn or in that of another one."""
        self._starts[flow] += amount / self._shares[flow]
