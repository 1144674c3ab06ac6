"""The cache of slot graphs, which append to preallocated buffers in place instead of returning longer ones.

docs/architecture/06-slot-graphs.md specifies such a graph and the rules for calling it.
"""

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np

from workers.runtime.decoding.caches.cache import Floats, Saved
from workers.runtime.decoding.caches.slot_allocator import check_fits
from workers.runtime.decoding.caches.slots.buffer import SlotBuffer
from workers.runtime.decoding.caches.slots.table import Move, Numbers, SlotTable
from workers.runtime.decoding.caches.tensor_names import pasts
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Array, Binding
from workers.runtime.inference.session import Session

_MAX_BINDINGS = 32
"""Ranges of buffer rows whose bindings are kept. A binding of the 24 tensors of a small model takes 0.3 ms to make,
which is too long to do it in every step."""


class SlotCache:
    """A `workers.runtime.decoding.caches.cache.Cache` over a slot graph. On CUDA the buffers stay on the device.

    Args:
        session: of the slot graph.
        max_slots: sequences that can be held at once, one buffer row each.
        max_tokens: longest sequence.
        vocab_size: length of a row of logits.

    Raises:
        PackageError: there is not enough memory.
    """

    def __init__(self, session: Session, *, max_slots: int, max_tokens: int, vocab_size: int) -> None:
        self.max_slots, self.max_tokens, self.vocab_size = max_slots, max_tokens, vocab_size
        self.capacity_tokens = max_slots * max_tokens
        self._session = session
        self._table = SlotTable(max_slots, max_tokens)
        # One position more than the longest sequence: a row between those that step is run with them, and the graph
        # writes a token behind what it holds, even if the row is full.
        self._buffers = self._allocate_buffers(max_tokens + 1, of_source=False)
        # Each kept binding has the address of its rows of this array, so it is never replaced.
        self._logits = np.empty((max_slots, vocab_size), np.float32)
        # An array of its own: a selection in place could overwrite a row before it is read.
        self._selected_logits = np.empty_like(self._logits)
        self._bindings: dict[range, Binding] = {}

    @property
    def tokens_held(self) -> int:
        """Tokens that the sequences hold now."""
        return int(self._table.lengths.sum() + self._table.source_lengths.sum())

    def allocate(self, num_tokens: int) -> int | None:
        """Reserve a slot. Every buffer row has room for the longest sequence."""
        check_fits(num_tokens, self.max_tokens)
        return self._table.allocate()

    def has_room(self, num_slots: int, num_tokens: int, without: Collection[int] = ()) -> bool:
        """Return whether so many slots could be allocated."""
        return self._table.has_room(num_slots, without)

    def free(self, slot: int) -> None:
        """Release a slot. What its buffer row holds is left there: nothing reads behind a row's length."""
        self._table.free(slot)

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Append a prompt, or the next chunk of it."""
        row = int(self._table.rows_of([slot], len(token_ids))[0])
        ids = np.asarray(token_ids, np.int64)[None]
        logits: Floats = self._run(range(row, row + 1), ids, np.array([ids.size], np.int64))[0]
        return logits

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these slots.

        All buffer rows from the first to the last of them are run. Rows in between get 0 new tokens, so they hold
        afterwards what they held before.
        """
        rows = self._table.rows_of(slots, 1)
        # On CUDA a copied row would pass through the host, so there only new sequences fill the gaps.
        move = self._table.next_move(rows) if self._session.device == "cpu" else None
        if move:
            self._copy(move)
            self._table.apply_move(move)
            rows = self._table.rows_of(slots, 1)
        view = range(int(rows.min()), int(rows.max()) + 1)
        ids, num_tokens = np.zeros((len(view), 1), np.int64), np.zeros(len(view), np.int64)
        ids[rows - view.start, 0] = token_ids
        num_tokens[rows - view.start] = 1
        logits = self._run(view, ids, num_tokens)
        if not np.array_equal(rows, view):
            logits = self._selected_logits[: len(rows)]
            # With mode "clip" numpy writes into `out` directly; its default mode makes a buffered copy first.
            np.take(self._logits, rows, axis=0, out=logits, mode="clip")
        return logits

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        """Let beams continue from one another. Only beams that several slots continue are copied."""
        reordering = self._table.plan_reordering(slots, beam_idx)
        for copy in reordering.copies:
            self._copy(copy)
        self._table.apply_reordering(reordering)

    def saved_bytes(self, slots: Sequence[int]) -> int:
        """Return how much host memory `save` would take."""
        num_tokens = int(self._table.lengths[self._table.rows_of(slots, 0)].sum())
        return num_tokens * sum(buffer.token_bytes for buffer in self._buffers)

    def save(self, slots: Sequence[int]) -> Saved:
        """Copy the tokens of these slots to host memory, and nothing of what lies behind them in their rows."""
        rows = self._table.rows_of(slots, 0)
        lengths = self._table.lengths[rows].tolist()
        arrays = [read_row(self._buffers, row, length) for row, length in zip(rows.tolist(), lengths, strict=True)]
        return Saved(self.saved_bytes(slots), partial(self._restore, arrays, lengths))

    def _restore(self, arrays: Sequence[list[Array]], lengths: Sequence[int], slots: Sequence[int]) -> None:
        rows = self._table.rows_of(slots, 0)
        for row, of_row in zip(rows.tolist(), arrays, strict=True):
            write_row(self._buffers, row, of_row)
        self._table.lengths[rows] = lengths

    def _run(self, view: range, ids: Ids, num_tokens: Numbers) -> Floats:
        """Run a range of buffer rows; return the logits of each, float32 [rows, vocab_size]."""
        rows = slice(view.start, view.stop)
        binding = self._binding(view)
        # A binding keeps the addresses of the buffers, but these inputs are transferred to the device when they are
        # bound, so they are bound anew for every call. On CPU they are not copied then, and the lengths change below.
        binding.feed("input_ids", ids)
        binding.feed("past_lengths", self._table.lengths[rows].copy())
        binding.feed("num_tokens", num_tokens)
        self._feed(binding, rows)
        binding.run()
        self._table.lengths[rows] += num_tokens
        return self._logits[rows]

    def _binding(self, view: range) -> Binding:
        """Return the binding for a range of buffer rows; the most recently used ones are kept."""
        binding = self._bindings.pop(view, None) or self._bind(view)
        self._bindings[view] = binding
        if len(self._bindings) > _MAX_BINDINGS:
            del self._bindings[next(iter(self._bindings))]
        return binding

    def _bind(self, view: range) -> Binding:
        binding = self._session.binding()
        binding.write_to("logits", self._logits[view.start : view.stop])
        for buffer in self._buffers:
            buffer.bind(binding, view)
        return binding

    def _feed(self, binding: Binding, rows: slice) -> None:
        """Bind further inputs of a subclass's graph."""

    def _allocate_buffers(self, num_positions: int, *, of_source: bool) -> list[SlotBuffer]:
        return [
            SlotBuffer(self._session, name, num_rows=self.max_slots, num_positions=num_positions)
            for name in pasts(self._session.inputs, of_source=of_source)
        ]

    def _copy(self, move: Move) -> None:
        for buffer in self._buffers:
            buffer.copy(move.source_row, move.target_row, move.num_tokens)


def read_row(buffers: Sequence[SlotBuffer], row: int, num_positions: int) -> list[Array]:
    """Return a copy of the first positions of a row of each buffer."""
    return [buffer.get(row, num_positions) for buffer in buffers]


def write_row(buffers: Sequence[SlotBuffer], row: int, arrays: Sequence[Array]) -> None:
    """Write what `read_row` has returned into a row, which may be another one."""
    for buffer, array in zip(buffers, arrays, strict=True):
        buffer.put(row, array)
