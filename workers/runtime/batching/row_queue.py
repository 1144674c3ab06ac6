"""Which waiting rows go into the next model call. Pure bookkeeping: no threads, no arrays.

On CPU, padding is what costs: a batch takes as long as rows x longest row. So a batch is one row and those nearest to
it in length, while the padded length stays within a budget and within a few percent of the real one, and while the call
fits into memory: attention needs the square of the length. The first row comes from the flow that has had least for its
share, by what rows take; of a flow from the job that is first in its line, oldest row first. So a flow does not wait
for all that another one has in hand, and a short job does not wait for a long one to end.
"""

import bisect
import math
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from workers.runtime.sharing.fair_turns import FairTurns
from workers.runtime.sharing.line import Line

Job = TypeVar("Job", bound=Hashable)
MIXED_BATCHES = 8
"""Full batches that should wait while a call runs, if rows can share calls. Prose of mixed lengths made batches of 2.3
rows with 2 of them, of 3.6 with 8, and of 3.7 with 16; each batch costs a call of the store, too."""
SINGLE_ROWS = 2
"""Rows that should wait while a call runs, if they can't share one. With less, the engine could run dry before the next
jobs are there; more would be missing where another worker is idle."""

LARGE_LEAD = 0.25
"""Of a full batch. A flow that floods the queue is ahead by a whole one where calls are full, and others by their few
rows."""
MAX_LOOKS = 256
"""Rows to either side that are looked at where those of such flows are skipped, which takes 0.03 ms. With 32, two flows
that flooded the queue had calls of 105 short rows instead of 250, and 250 rows beside 3,000 took three times the calls.
"""


class Row(Protocol):
    """One input of a model, ready for a model call: the tokens of a text, an image, the frames of a recording."""

    @property
    def length(self) -> int:
        """Size along the axis on which rows of a batch are padded, in tokens, frames or whatever it counts."""
        ...

    @property
    def batch_key(self) -> Hashable:
        """Rows may share a model call if their keys are equal, such as the shape of an image that can't be padded."""
        ...


class _Job(Generic[Job]):
    """A job with waiting rows."""

    __slots__ = ("fill", "flow", "job", "length", "num_waiting", "pending")

    def __init__(self, job: Job, flow: Hashable, numbers: range) -> None:
        self.job = job
        self.flow = flow
        self.pending = deque(numbers)
        """The numbers of its rows, oldest first. Those that were taken in turns of other jobs are gone already."""
        self.num_waiting = len(numbers)
        self.length = 0
        """Sum of the lengths of those that wait."""
        self.fill = 0.0
        """By how much they fill what should wait."""


ByLength = list[tuple[int, int]]
"""(length, number) of waiting rows that may share a batch, sorted. Of rows of one length, the older comes first."""
_Waiting = tuple[_Job[Job], int, int, Hashable]
"""The job of a row, its index in it, its length and its batch key. A named one takes several times as long to make."""


class RowQueue(Generic[Job]):
    """Rows of several jobs, found by turn and by length.

    Args:
        max_batch_length: most rows x longest row of a batch; a single row may be longer.
        max_padding: most padded length of a batch, as a multiple of the sum of its rows' lengths.
        fits: whether a call with so many rows, padded to the longest, fits into memory. A single row may always run.
        pair_cost: what each pair of a row's tokens takes, as a multiple of what a token does. By that flows share: to a
            model that takes the square of the length, one long row is as much as many short ones.
    """

    def __init__(
        self,
        *,
        max_batch_length: int,
        max_padding: float,
        fits: Callable[[int, int], bool] = lambda num_rows, longest: True,
        pair_cost: float = 0.0,
    ) -> None:
        self._max_batch_length = max_batch_length
        self._max_padding = max_padding
        self._fits = fits
        self._pair_cost = pair_cost
        self._rows: dict[int, _Waiting[Job]] = {}
        """Waiting rows by a number that grows with each row, so that lower numbers are older."""
        self._by_length: dict[Hashable, ByLength] = {}
        """By batch key."""
        self._jobs: dict[Job, _Job[Job]] = {}
        self._fill = 0.0
        self._lines: dict[Hashable, Line[Job]] = {}
        """The jobs of each flow that has waiting rows."""
        self._flows: FairTurns[Hashable] = FairTurns()
        self._lengths: dict[Hashable, int] = {}
        self._next_number = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fill(self) -> float:
        """How much waits, as a share of what should wait while a call runs."""
        return self._fill

    @property
    def flows(self) -> Collection[Hashable]:
        """The flows that have waiting rows."""
        return self._lines.keys()

    @property
    def lengths(self) -> Mapping[Hashable, int]:
        """Sum of the lengths of the rows that wait, by flow. Kept up with each row, because each call asks for it."""
        return self._lengths

    def add(self, job: Job, rows: Sequence[Row], flow: Hashable = "", share: float = 1.0) -> float:
        """Queue the rows of a job, which are known from now on by the job and their index. Once for each job.

        Args:
            job: has not been added before.
            rows: may be empty.
            flow: that the job belongs to.
            share: of the flow in relation to others.

        Returns:
            By how much the rows raise ``fill``.
        """
        if not rows:
            return 1 / SINGLE_ROWS
        numbers = range(self._next_number, self._next_number + len(rows))
        self._next_number += len(rows)
        owner = self._jobs[job] = _Job(job, flow, numbers)
        if flow not in self._lines:
            self._lines[flow], self._lengths[flow] = Line(), 0
            self._flows.join(flow, share)
        real = 0
        for index, (number, row) in enumerate(zip(numbers, rows, strict=True)):
            length, batch_key = row.length, row.batch_key
            self._rows[number] = owner, index, length, batch_key
            real += length
            # An insertion moves half of the list, but with 5,000 waiting rows that is far cheaper than a model call.
            bisect.insort(self._by_length.setdefault(batch_key, []), (length, number))
        self._lines[flow].add(job, real)
        self._lengths[flow] += real
        owner.length, owner.fill = real, self._fill_of(rows[0].length, real)
        self._fill += owner.fill
        return owner.fill

    def discard(self, job: Job) -> None:
        """Forget the rows of a job that are still queued."""
        if job not in self._jobs:
            return
        gone = {number: self._rows.pop(number) for number in self._jobs[job].pending if number in self._rows}
        self._forget(self._jobs[job])
        for batch_key in {batch_key for *_, batch_key in gone.values()}:
            self._keep(batch_key, [entry for entry in self._by_length[batch_key] if entry[1] not in gone])

    def take(self, max_batch_length: float = math.inf) -> list[tuple[Job, int]]:
        """Remove and return the rows of the next batch as (job, index); empty when nothing waits.

        Args:
            max_batch_length: of this batch, if that is less than that of all.
        """
        most = min(max_batch_length, self._max_batch_length)
        number = self._next_turn()
        if number is None:
            return []
        _, _, length, batch_key = self._rows[number]
        by_length = self._by_length[batch_key]
        first = bisect.bisect_left(by_length, (length, number))
        ahead = self._far_ahead(length)
        if not ahead:
            low, high = self._span(by_length, first, most)
            taken = by_length[low:high]
            del by_length[low:high]
        else:
            taken = self._take_apart(by_length, first, ahead, most)
        self._keep(batch_key, by_length)
        return self._remove(taken)

    def _far_ahead(self, length: int) -> set[Hashable]:
        """Return the flows that have had far more than the one whose turn it is, with a row of this length."""
        if len(self._lines) == 1:
            return set()
        limit = LARGE_LEAD * self._max_batch_length * (1 + self._pair_cost * length)
        return {flow for flow in self._lines if self._flows.lead(flow) > limit}

    def _take_apart(self, by_length: ByLength, first: int, ahead: set[Hashable], most: float) -> ByLength:
        """Remove and return the batch around the index ``first``, without rows of flows that are ahead."""
        others = [
            entry
            for entry in by_length[max(0, first - MAX_LOOKS) : first + MAX_LOOKS + 1]
            if self._rows[entry[1]][0].flow not in ahead
        ]
        low, high = self._span(others, others.index(by_length[first]), most)
        for entry in others[low:high]:
            del by_length[bisect.bisect_left(by_length, entry)]
        return others[low:high]

    def _remove(self, taken: ByLength) -> list[tuple[Job, int]]:
        """Remove rows that are taken, each at the expense of its flow; return them as (job, index)."""
        rows: list[tuple[Job, int]] = []
        amounts: dict[Hashable, float] = {}
        owners: set[_Job[Job]] = set()
        """Of which others still wait, or did when a row was taken."""
        for length, number in taken:
            owner, index, _, _ = self._rows.pop(number)
            job, flow = owner.job, owner.flow
            rows.append((job, index))
            amounts[flow] = amounts.get(flow, 0) + length * (1 + self._pair_cost * length)
            owner.num_waiting -= 1
            owner.length -= length
            self._lengths[flow] -= length
            if owner.num_waiting:
                owners.add(owner)
            else:
                self._forget(owner)
        for owner in owners:
            if owner.num_waiting:
                before, owner.fill = owner.fill, self._fill_of(taken[0][0], owner.length)
                self._fill += owner.fill - before
        for flow, amount in amounts.items():
            self._flows.charge(flow, amount)
        return rows

    def _forget(self, owner: _Job[Job]) -> None:
        """Forget a job of which no row waits any more."""
        line = self._lines[owner.flow]
        self._lengths[owner.flow] -= owner.length  # what is discarded
        del self._jobs[owner.job]
        self._fill = self._fill - owner.fill if self._jobs else 0.0  # so that errors don't add up
        line.remove(owner.job)
        if not line:
            del self._lines[owner.flow], self._lengths[owner.flow]

    def _fill_of(self, length: int, real: int) -> float:
        """Return by how much a job fills what should wait: by all of its waiting rows, but by one call at most.

        Args:
            length: of one of its rows.
            real: sum of the lengths of those that wait.
        """
        if not self._takes(2, length, 2 * length, self._max_batch_length):
            return 1 / SINGLE_ROWS
        return min(1.0, real / self._max_batch_length) / MIXED_BATCHES

    def _keep(self, batch_key: Hashable, by_length: ByLength) -> None:
        if by_length:
            self._by_length[batch_key] = by_length
        else:
            del self._by_length[batch_key]

    def _next_turn(self) -> int | None:
        """Return the number of the oldest row of the job whose turn it is."""
        flow = self._flows.first(self._lines.__contains__)
        if flow is None:
            return None
        pending = self._jobs[self._lines[flow].first()].pending
        while pending[0] not in self._rows:
            pending.popleft()
        return pending[0]

    def _span(self, by_length: ByLength, first: int, most: float) -> tuple[int, int]:
        """Return the slice of ``by_length`` around the index ``first`` that makes the batch: nearest lengths first."""
        low, high = first, first + 1
        origin = real = longest = by_length[first][0]
        # A side is closed once its next row does not fit, because the rows behind it fit even less.
        down_to, up_to = 0, len(by_length)
        while low > down_to or high < up_to:
            down = low > down_to and (high >= up_to or origin - by_length[low - 1][0] <= by_length[high][0] - origin)
            length = by_length[low - 1 if down else high][0]
            new_longest = longest if down else length
            if self._takes(high - low + 1, new_longest, real + length, most):
                real, longest = real + length, new_longest
                low, high = (low - 1, high) if down else (low, high + 1)
            elif down:
                down_to = low
            else:
                up_to = high
        return low, high

    def _takes(self, num_rows: int, longest: int, real: int, most: float) -> bool:
        """Return whether a batch may have these rows, whose real lengths add up to ``real``, and padded to ``most``."""
        padded = num_rows * longest
        if padded > most or padded > self._max_padding * real:
            return False
        return self._fits(num_rows, longest)
