"""The cache of an encoder-decoder's slot graphs: buffers for the growing sequences and for the constant sources.

The encoder's graph returns the cross-attention keys and values of a source. They are copied once into a buffer row,
where the decoder's graph reads them at every step. docs/architecture/06-slot-graphs.md specifies both graphs.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from workers.runtime.decoding.caches.cache import Floats, Saved
from workers.runtime.decoding.caches.slot_allocator import check_source_fits
from workers.runtime.decoding.caches.slots.cache import SlotCache, read_row, write_row
from workers.runtime.decoding.caches.slots.table import Move
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Array, Binding
from workers.runtime.inference.session import Session


class EncoderDecoderSlotCache(SlotCache):
    """A `workers.runtime.decoding.caches.cache.EncoderDecoderCache`. On CUDA a source passes through the host once.

    Args:
        encoder: session of the encoder's graph.
        decoder: session of the decoder's graph.
        max_slots: sequences that can be held at once, one buffer row each.
        max_tokens: longest sequence.
        max_source_tokens: longest source.
        vocab_size: length of a row of logits.

    Raises:
        PackageError: there is not enough memory.
    """

    def __init__(
        self,
        encoder: Session,
        decoder: Session,
        *,
        max_slots: int,
        max_tokens: int,
        max_source_tokens: int,
        vocab_size: int,
    ) -> None:
        super().__init__(decoder, max_slots=max_slots, max_tokens=max_tokens, vocab_size=vocab_size)
        self.max_source_tokens = max_source_tokens
        self.capacity_tokens = max_slots * (max_tokens + max_source_tokens)
        self._encoder = encoder
        self._source_buffers = self._allocate_buffers(max_source_tokens, of_source=True)

    def encode(self, slots: Sequence[int], source_ids: Ids) -> None:
        """Run the encoder once and write its keys and values into the buffer row of each slot."""
        rows, num_tokens = self._table.rows_of(slots, 0), len(source_ids)
        check_source_fits(num_tokens, self.max_source_tokens)
        if self._table.lengths[rows].any() or self._table.source_lengths[rows].any():
            raise ValueError(f"not all slots of {list(slots)} are empty")
        ids = np.asarray(source_ids, np.int64)[None]
        binding = self._encoder.binding()
        binding.feed("input_ids", ids)
        binding.feed("attention_mask", np.ones_like(ids))
        # Outputs go to the host, because a row of a buffer can only be overwritten from there.
        for buffer in self._source_buffers:
            binding.write(buffer.present, "cpu")
        binding.run(give_back=self._encoder.is_large(1, num_tokens))
        for buffer, output in zip(self._source_buffers, binding.outputs(), strict=True):
            for row in rows:
                buffer.put(int(row), output.numpy()[0])
        self._table.source_lengths[rows] = num_tokens

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Append tokens one by one: the decoder's graph takes a single token per row and call."""
        row = int(self._table.rows_of([slot], len(token_ids))[0])
        before = int(self._table.lengths[row])
        try:
            logits: Floats = [self.step([slot], [int(token)]) for token in token_ids][-1][0]
        except Exception:
            # Steps that succeeded are undone, because a failed prefill must leave the slot as it was. They may have
            # moved the sequence to another row, so its row is looked up again.
            self._table.lengths[self._table.rows_of([slot], 0)] = before
            raise
        return logits

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these slots."""
        if not self._table.source_lengths[self._table.rows_of(slots, 1)].all():
            raise ValueError(f"not all slots of {list(slots)} have a source")
        return super().step(slots, token_ids)

    def saved_bytes(self, slots: Sequence[int]) -> int:
        """Return how much host memory `save` would take."""
        num_source_tokens = int(self._table.source_lengths[self._table.rows_of(slots[:1], 0)].sum())
        return super().saved_bytes(slots) + num_source_tokens * sum(b.token_bytes for b in self._source_buffers)

    def save(self, slots: Sequence[int]) -> Saved:
        """Copy the tokens of these slots to host memory, and their source once: it is that of all."""
        row = int(self._table.rows_of(slots[:1], 0)[0])
        source = read_row(self._source_buffers, row, int(self._table.source_lengths[row]))
        own = super().save(slots)
        return Saved(own.num_bytes, partial(self._restore_with_source, own, source))

    def _restore_with_source(self, own: Saved, source: Sequence[Array], slots: Sequence[int]) -> None:
        own.restore(slots)
        rows = self._table.rows_of(slots, 0)
        for row in rows.tolist():
            write_row(self._source_buffers, row, source)
        self._table.source_lengths[rows] = source[0].shape[1]

    def _bind(self, view: range) -> Binding:
        binding = super()._bind(view)
        for buffer in self._source_buffers:
            buffer.bind(binding, view)
        return binding

    def _feed(self, binding: Binding, rows: slice) -> None:
        # The graph reads at least one position of each row, so a row without a source counts as one of length 1. Its
        # logits are not used.
        binding.feed("source_lengths", np.maximum(self._table.source_lengths[rows], 1))

    def _copy(self, move: Move) -> None:
        super()._copy(move)
        for buffer in self._source_buffers:
            buffer.copy(move.source_row, move.target_row, move.num_source_tokens)
