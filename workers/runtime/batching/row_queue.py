"""Which waiting rows go into the next model call. Pure bookkeeping: no threads, no arrays.

On CPU, padding is the enemy: a batch costs rows x longest row. So a batch is one row and those nearest to it in
length, while the padded tokens stay within a budget and within a few percent of the real ones. The first row comes
from each job in turn, oldest row first: no row starves, and a short job does not wait for a long one to end.
"""

import bisect
from collections import deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class RowQueue(Generic[Job]):
    """Rows of several jobs, found by turn and by length."""

    def __init__(self, *, max_batch_tokens: int, max_padding: float) -> None:
        self._max_batch_tokens = max_batch_tokens
        self._max_padding = max_padding
        self._by_length: list[tuple[int, int]] = []
        self._rows: dict[int, tuple[Job, int, int]] = {}
        self._turns: deque[Job] = deque()
        self._pending: dict[Job, deque[int]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, job: Job, lengths: list[int]) -> None:
        """Queue rows of a job, which are known from now on by the job and their index; once a job."""
        keys = deque(range(self._next, self._next + len(lengths)))
        self._next += len(lengths)
        self._pending[job] = keys
        self._turns.append(job)
        for index, (key, length) in enumerate(zip(keys, lengths, strict=True)):
            self._rows[key] = (job, index, length)
            bisect.insort(self._by_length, (length, key))

    def discard(self, job: Job) -> None:
        """Forget the rows of a job that are still queued."""
        gone = {key for key in self._pending.pop(job, ()) if self._rows.pop(key, None)}
        if gone:
            self._by_length = [entry for entry in self._by_length if entry[1] not in gone]
        if job in self._turns:
            self._turns.remove(job)

    def take(self) -> list[tuple[Job, int]]:
        """Remove and return the rows of the next batch as (job, index); empty when nothing waits."""
        first = self._next_turn()
        if first is None:
            return []
        low, high = self._span(first)
        keys = [key for _, key in self._by_length[low:high]]
        del self._by_length[low:high]
        return [self._rows.pop(key)[:2] for key in keys]

    def _place(self, key: int) -> int:
        return bisect.bisect_left(self._by_length, (self._rows[key][2], key))

    def _next_turn(self) -> int | None:
        """Return the place in ``_by_length`` of the oldest row of the job whose turn it is."""
        while self._turns:
            job = self._turns.popleft()
            pending = self._pending[job]
            # Rows that went along in another job's turn are gone already.
            while pending and pending[0] not in self._rows:
                pending.popleft()
            if pending:
                self._turns.append(job)
                return self._place(pending[0])
            del self._pending[job]
        return None

    def _span(self, first: int) -> tuple[int, int]:
        """Return the slice of ``_by_length`` around ``first`` that makes the batch: nearest lengths first."""
        length_at = self._by_length
        low, high = first, first + 1
        origin = real = longest = length_at[first][0]
        down_to, up_to = 0, len(length_at)  # a side is closed once its next row does not fit: those behind fit less
        while low > down_to or high < up_to:
            down = low > down_to and (high >= up_to or origin - length_at[low - 1][0] <= length_at[high][0] - origin)
            length = length_at[low - 1 if down else high][0]
            padded = (high - low + 1) * max(longest, length)
            if padded <= self._max_batch_tokens and padded <= self._max_padding * (real + length):
                real, longest = real + length, max(longest, length)
                low, high = (low - 1, high) if down else (low, high + 1)
            elif down:
                down_to = low
            else:
                up_to = high
        return low, high
