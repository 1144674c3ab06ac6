"""Which waiting rows go into the next model call. Pure bookkeeping: no threads, no arrays.

On CPU, padding is what costs: a batch takes as long as rows x longest row. So a batch is one row and those nearest to
it in length, while the padded length stays within a budget and within a few percent of the real one, and while the call
fits into memory: attention needs the square of the length. The first row comes from each job in turn, oldest row first:
no row starves, and a short job does not wait for a long one to end.
"""

import bisect
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

Job = TypeVar("Job", bound=Hashable)
MIXED_BATCHES = 8
"""Full batches that should wait while a call runs, if rows can share calls. Prose of mixed lengths made batches of 2.3
rows with 2 of them, of 3.6 with 8, and of 3.7 with 16; each batch costs a call of the store, too."""
SINGLE_ROWS = 2
"""Rows that should wait while a call runs, if they can't share one. With less, the engine could run dry before the next
jobs are there; more would be missing where another worker is idle."""


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


class _Waiting(NamedTuple, Generic[Job]):
    job: Job
    row_index: int
    length: int
    batch_key: Hashable


ByLength = list[tuple[int, int]]
"""(length, number) of waiting rows that may share a batch, sorted. Of rows of one length, the older comes first."""


class RowQueue(Generic[Job]):
    """Rows of several jobs, found by turn and by length.

    Args:
        max_batch_length: most rows x longest row of a batch; a single row may be longer.
        max_padding: most padded length of a batch, as a multiple of the sum of its rows' lengths.
        fits: whether a call with so many rows, padded to the longest, fits into memory. A single row may always run.
    """

    def __init__(
        self,
        *,
        max_batch_length: int,
        max_padding: float,
        fits: Callable[[int, int], bool] = lambda num_rows, longest: True,
    ) -> None:
        self._max_batch_length = max_batch_length
        self._max_padding = max_padding
        self._fits = fits
        self._rows: dict[int, _Waiting[Job]] = {}
        """Waiting rows by a number that grows with each row, so that lower numbers are older."""
        self._unserved: dict[Job, float] = {}
        """Jobs of which no row was taken yet, and by how much each fills what should wait."""
        self._by_length: dict[Hashable, ByLength] = {}
        """By batch key."""
        self._turns: deque[Job] = deque()
        self._pending: dict[Job, deque[int]] = {}
        self._next_number = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fill(self) -> float:
        """How much waits, as a share of what should wait while a call runs.

        Jobs that have begun don't count: however many rows they have, they take turns with those that come.
        """
        return sum(self._unserved.values())

    def add(self, job: Job, rows: Sequence[Row]) -> float:
        """Queue the rows of a job, which are known from now on by the job and their index. Once for each job.

        Returns:
            By how much they raise ``fill``.
        """
        numbers = deque(range(self._next_number, self._next_number + len(rows)))
        self._next_number += len(rows)
        self._pending[job] = numbers
        self._turns.append(job)
        for index, (number, row) in enumerate(zip(numbers, rows, strict=True)):
            waiting = self._rows[number] = _Waiting(job, index, row.length, row.batch_key)
            # An insertion moves half of the list, but with 5,000 waiting rows that is far cheaper than a model call.
            bisect.insort(self._by_length.setdefault(waiting.batch_key, []), (waiting.length, number))
        share = self._share(rows)
        if rows:
            self._unserved[job] = share
        return share

    def discard(self, job: Job) -> None:
        """Forget the rows of a job that are still queued."""
        gone = {number: self._rows.pop(number) for number in self._pending.pop(job, ()) if number in self._rows}
        self._unserved.pop(job, None)
        for batch_key in {waiting.batch_key for waiting in gone.values()}:
            self._keep(batch_key, [entry for entry in self._by_length[batch_key] if entry[1] not in gone])
        if job in self._turns:
            self._turns.remove(job)

    def take(self) -> list[tuple[Job, int]]:
        """Remove and return the rows of the next batch as (job, index); empty when nothing waits."""
        number = self._next_turn()
        if number is None:
            return []
        batch_key = self._rows[number].batch_key
        by_length = self._by_length[batch_key]
        low, high = self._span(by_length, bisect.bisect_left(by_length, (self._rows[number].length, number)))
        taken = by_length[low:high]
        del by_length[low:high]
        self._keep(batch_key, by_length)
        rows = [self._rows.pop(number)[:2] for _, number in taken]
        for job, _ in rows:
            self._unserved.pop(job, None)
        return rows

    def _share(self, rows: Sequence[Row]) -> float:
        """Return by how much a new job fills what should wait: by all of its rows, but by one call at most."""
        if not rows or not self._takes(2, rows[0].length, 2 * rows[0].length):
            return 1 / SINGLE_ROWS
        return min(1.0, sum(row.length for row in rows) / self._max_batch_length) / MIXED_BATCHES

    def _keep(self, batch_key: Hashable, by_length: ByLength) -> None:
        if by_length:
            self._by_length[batch_key] = by_length
        else:
            del self._by_length[batch_key]

    def _next_turn(self) -> int | None:
        """Return the number of the oldest row of the job whose turn it is."""
        while self._turns:
            job = self._turns.popleft()
            pending = self._pending[job]
            # Rows that joined a batch in another job's turn are gone already.
            while pending and pending[0] not in self._rows:
                pending.popleft()
            if pending:
                self._turns.append(job)
                return pending[0]
            del self._pending[job]
        return None

    def _span(self, by_length: ByLength, first: int) -> tuple[int, int]:
        """Return the slice of ``by_length`` around the index ``first`` that makes the batch: nearest lengths first."""
        low, high = first, first + 1
        origin = real = longest = by_length[first][0]
        # A side is closed once its next row does not fit, because the rows behind it fit even less.
        down_to, up_to = 0, len(by_length)
        while low > down_to or high < up_to:
            down = low > down_to and (high >= up_to or origin - by_length[low - 1][0] <= by_length[high][0] - origin)
            length = by_length[low - 1 if down else high][0]
            if self._takes(high - low + 1, max(longest, length), real + length):
                real, longest = real + length, max(longest, length)
                low, high = (low - 1, high) if down else (low, high + 1)
            elif down:
                down_to = low
            else:
                up_to = high
        return low, high

    def _takes(self, num_rows: int, longest: int, real: int) -> bool:
        """Return whether a batch may have these rows, whose real lengths add up to ``real``."""
        padded = num_rows * longest
        within_lengths = padded <= self._max_batch_length and padded <= self._max_padding * real
        return within_lengths and self._fits(num_rows, longest)
