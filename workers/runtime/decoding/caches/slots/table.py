"""The bookkeeping of a slot cache: which slot lies in which row of the buffers, and when a row is copied to another.

There are two levels. A *slot* is the scheduler's handle: a sequence keeps its slot for as long as it lives. A *buffer
row* is the place in memory where the sequence lies now. They differ because a step runs all buffer rows from the first
to the last of its sequences, so a free row between them costs as much as a sequence. Such gaps close in two ways: a new
sequence takes the lowest free row, or the last sequence of a step is copied into the first gap (`SlotTable.next_move`).
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workers.runtime.decoding.caches.slot_allocator import check_beams, check_fits

Numbers = npt.NDArray[np.int64]
MOVED_TOKENS_PER_ROW_STEP = 128
"""Tokens of cache that can be copied in the time that one more row takes in a step.

Measured with GPT-2 (124M parameters) on two cores: a free row costs 2 ms a step, copying a token 3 µs, or 15 µs into
memory that was never written. Larger models favour moving even more: a row's cost grows with the square of their width.
"""


class Move(NamedTuple):
    """A sequence to be copied from one buffer row to another one, which is free."""

    source_row: int
    target_row: int
    num_tokens: int
    num_source_tokens: int = 0


class Reordering(NamedTuple):
    """How the beams of a search continue from one another."""

    rows: dict[int, int]
    """The buffer row of each slot afterwards."""
    copies: list[Move]
    """No row is both read and written, so the copies can be made in any order."""


class SlotTable:
    """Maps slots to buffer rows, and knows how many tokens each row holds."""

    def __init__(self, num_rows: int, max_tokens: int) -> None:
        self.lengths: Numbers = np.zeros(num_rows, np.int64)
        """Tokens in each buffer row; 0 for a free one."""
        self.source_lengths: Numbers = np.zeros(num_rows, np.int64)
        """Encoder-decoders: tokens of the source in each buffer row; 0 without a source."""
        self._max_tokens = max_tokens
        self._row_of: dict[int, int] = {}
        self._slot_in: list[int | None] = [None] * num_rows
        self._num_wasted_rows = 0
        """Free rows that steps have run since the last move."""

    def allocate(self) -> int | None:
        """Assign the lowest free buffer row to a new slot; return the slot, or None if all rows are taken."""
        if not self.has_room(1):
            return None
        slot = next(number for number in range(len(self._slot_in)) if number not in self._row_of)
        row = self._slot_in.index(None)
        self._row_of[slot], self._slot_in[row] = row, slot
        return slot

    def has_room(self, num_slots: int, without: Collection[int] = ()) -> bool:
        """Return whether so many buffer rows are free, together with those of the slots of ``without``."""
        return len(self._row_of) - len(without) + num_slots <= len(self._slot_in)

    def free(self, slot: int) -> None:
        """Release a slot and its buffer row."""
        row = self._row_of.pop(slot)
        self._slot_in[row] = None
        self.lengths[row] = self.source_lengths[row] = 0

    def rows_of(self, slots: Sequence[int], num_new_tokens: int) -> Numbers:
        """Return the buffer rows of slots that are about to get this many tokens each, int64 [slots].

        Raises:
            ValueError: a slot is named twice, or its sequence would become too long.
        """
        rows = np.array([self._row_of[slot] for slot in slots], np.int64)
        if len(set(slots)) != len(slots):
            raise ValueError(f"a slot can't be twice in one step: {list(slots)}")
        check_fits(int(self.lengths[rows].max()) + num_new_tokens, self._max_tokens)
        return rows

    def next_move(self, rows: Numbers) -> Move | None:
        """Return the move to make before a step of the sequences in these rows, if one pays off.

        The last sequence moves into the first gap once the steps have wasted as much time on free rows as the copy
        takes: a short sequence moves at once, a long one after some steps. Like every ski-rental rule of this kind it
        costs at most twice the optimum, whether or not new sequences would have filled the gaps. There is at most one
        move a step, which bounds how much it can delay the next token.
        """
        first, last = int(rows.min()), int(rows.max())
        gaps = [row for row in range(first, last) if self._slot_in[row] is None]
        # A gap that a new sequence has filled costs nothing more, so what it has cost is forgotten.
        self._num_wasted_rows = self._num_wasted_rows + len(gaps) if gaps else 0
        num_tokens, num_source_tokens = int(self.lengths[last]), int(self.source_lengths[last])
        if not gaps or self._num_wasted_rows * MOVED_TOKENS_PER_ROW_STEP < num_tokens + num_source_tokens:
            return None
        return Move(last, gaps[0], num_tokens, num_source_tokens)

    def apply_move(self, move: Move) -> None:
        """Record that a sequence was copied and that its old row is free."""
        slot = self._slot_in[move.source_row]
        if slot is None:
            raise ValueError(f"buffer row {move.source_row} is free")
        self._row_of[slot] = move.target_row
        self._slot_in[move.target_row], self._slot_in[move.source_row] = slot, None
        self.lengths[move.target_row], self.lengths[move.source_row] = move.num_tokens, 0
        self.source_lengths[move.target_row], self.source_lengths[move.source_row] = move.num_source_tokens, 0
        self._num_wasted_rows = 0

    def plan_reordering(self, slots: Sequence[int], beam_idx: Sequence[int]) -> Reordering:
        """Return what ``Cache.reorder_cache`` has to do.

        The first slot that continues a beam takes over its buffer row as it is (the beam's own slot, if it is among
        them). Only further continuations of the same beam are copied, into the rows of beams that nobody continues.

        Raises:
            ValueError: these can't be the beams of one search.
        """
        self._check(slots, beam_idx)
        parents = [slots[index] for index in beam_idx]
        rows = {parent: self._row_of[parent] for slot, parent in zip(slots, parents, strict=True) if slot == parent}
        unused = [self._row_of[slot] for slot in slots if slot not in parents]
        taken_over, copies = set(rows), list[Move]()
        for slot, parent in zip(slots, parents, strict=True):
            source = self._row_of[parent]
            if slot in rows:
                continue
            if parent not in taken_over:
                rows[slot] = source
                taken_over.add(parent)
            else:
                rows[slot] = unused.pop()
                copies.append(Move(source, rows[slot], int(self.lengths[source])))
        return Reordering(rows, copies)

    def apply_reordering(self, reordering: Reordering) -> None:
        """Record that the copies were made."""
        for slot, row in reordering.rows.items():
            self._row_of[slot], self._slot_in[row] = row, slot
        for copy in reordering.copies:
            self.lengths[copy.target_row] = copy.num_tokens

    def _check(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        check_beams(slots, beam_idx)
        rows, read = self.rows_of(slots, 0), self.rows_of(sorted({slots[index] for index in beam_idx}), 0)
        # Only the beams that are continued must be equally long: before the first token, the others hold nothing yet.
        if len(set(self.lengths[read])) > 1 or len(set(self.source_lengths[rows])) > 1:
            raise ValueError("beams of one search must have the same length and the same source")
