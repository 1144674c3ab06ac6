"""The cache of slot graphs: one buffer a tensor, allocated once, that the graph reads and writes where it lies.

docs/architecture/06-slot-graphs.md says what such a graph takes and what must be kept to.
"""

from collections.abc import Sequence

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.slot_buffer import SlotBuffer
from workers.runtime.decoding.caches.slot_table import Move, Numbers, Slots
from workers.runtime.decoding.caches.tensor_names import pasts
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Binding
from workers.runtime.inference.session import Session

_MAX_BINDINGS = 32
"""Views whose bindings are kept. Binding one takes as long as 24 tensors take, 0.3 ms, or more: too long for a step."""


class SlotCache:
    """See `workers.runtime.decoding.caches.cache.Cache`. On cuda the buffers never leave the device.

    Args:
        session: of a slot graph.
        max_rows: slots.
        max_tokens: most tokens of a text. A slot has one position more, where a full one lets itself be written to
            while it lies between others.
        vocabulary: length of the logits.

    Raises:
        PackageError: there is not enough memory.
    """

    def __init__(self, session: Session, *, max_rows: int, max_tokens: int, vocabulary: int) -> None:
        self.max_rows, self.max_tokens, self.vocabulary = max_rows, max_tokens, vocabulary
        self.capacity_tokens = max_rows * max_tokens
        self._session = session
        self._slots = Slots(max_rows, max_tokens)
        self._buffers = self._allocate(max_tokens + 1, of_source=False)
        self._logits = np.empty((max_rows, vocabulary), np.float32)
        self._answers = np.empty_like(self._logits)
        self._bindings: dict[range, Binding] = {}

    @property
    def tokens_held(self) -> int:
        """Tokens that the texts hold now."""
        return int(self._slots.lengths.sum() + self._slots.source_lengths.sum())

    def take(self, num_tokens: int) -> int | None:
        """Reserve a slot; every slot has room for the longest text. See `Cache`."""
        if num_tokens > self.max_tokens:
            raise ValueError(f"a text of {num_tokens} tokens has no room: {self.max_tokens} fit")
        return self._slots.take()

    def prefill(self, place: int, token_ids: Ids) -> Floats:
        """Read a prompt, or the next piece of it, into its slot. See `Cache`."""
        slot = int(self._slots.of([place], len(token_ids))[0])
        ids = np.asarray(token_ids, np.int64)[None]
        logits: Floats = self._run(range(slot, slot + 1), ids, np.array([ids.size], np.int64))[0]
        return logits

    def step(self, places: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these places. See `Cache`.

        Slots between theirs ride along: nothing becomes of what is written into them.
        """
        slots = self._slots.of(places, 1)
        move = self._slots.move(slots) if self._session.device == "cpu" else None
        if move:
            self._copy(move)
            self._slots.moved(move)
            slots = self._slots.of(places, 1)
        view = range(int(slots.min()), int(slots.max()) + 1)
        ids, num_tokens = np.zeros((len(view), 1), np.int64), np.zeros(len(view), np.int64)
        ids[slots - view.start, 0] = token_ids
        num_tokens[slots - view.start] = 1
        logits = self._run(view, ids, num_tokens)
        if not np.array_equal(slots, view):
            logits = self._answers[: len(slots)]
            np.take(self._logits, slots, axis=0, out=logits, mode="clip")
        return logits

    def rearrange(self, places: Sequence[int], parents: Sequence[int]) -> None:
        """Let texts go on from one another; only those that share a parent are copied. See `Cache`."""
        rearrangement = self._slots.rearrangement(places, parents)
        for copy in rearrangement.copies:
            self._copy(copy)
        self._slots.rearranged(rearrangement)

    def leave(self, place: int) -> None:
        """Free a slot; what is in it stays there and is not read. See `Cache`."""
        self._slots.leave(place)

    def _run(self, view: range, ids: Ids, num_tokens: Numbers) -> Floats:
        """Run the slots of a view; return the logits of each, float32 [slots, vocabulary]."""
        rows = slice(view.start, view.stop)
        binding = self._binding(view)
        # These are bound at each call, since that is when a device gets them.
        binding.feed("input_ids", ids)
        binding.feed("past_lengths", self._slots.lengths[rows].copy())
        binding.feed("num_tokens", num_tokens)
        self._feed(binding, rows)
        binding.run()
        self._slots.lengths[rows] += num_tokens
        return self._logits[rows]

    def _binding(self, view: range) -> Binding:
        """Return the binding of a view's part of the buffers; those used last are kept."""
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
        """Feed what the graph takes besides."""

    def _allocate(self, num_positions: int, *, of_source: bool) -> list[SlotBuffer]:
        return [
            SlotBuffer(self._session, name, num_slots=self.max_rows, num_positions=num_positions)
            for name in pasts(self._session.inputs, of_source=of_source)
        ]

    def _copy(self, move: Move) -> None:
        for buffer in self._buffers:
            buffer.copy(move.source, move.target, move.num_tokens)
