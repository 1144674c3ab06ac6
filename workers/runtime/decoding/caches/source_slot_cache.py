"""The cache of an encoder-decoder's slot graphs: a slot has its text, which grows, and its source, which stays.

The encoder's graph answers the keys and values of the source, which the decoder's graph reads at each step where they
lie. docs/architecture/06-slot-graphs.md says what the graphs take.
"""

from collections.abc import Sequence

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.slot_cache import SlotCache
from workers.runtime.decoding.caches.slot_table import Move
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Binding
from workers.runtime.inference.session import Session


class SourceSlotCache(SlotCache):
    """See `workers.runtime.decoding.caches.cache.SourceCache`. On cuda a source passes through the host once.

    Args:
        encoder: session of the encoder's graph.
        decoder: session of the decoder's graph.
        max_rows: slots.
        max_tokens: most tokens of a text.
        max_source_tokens: most tokens of a source.
        vocabulary: length of the logits.

    Raises:
        PackageError: there is not enough memory.
    """

    def __init__(
        self,
        encoder: Session,
        decoder: Session,
        *,
        max_rows: int,
        max_tokens: int,
        max_source_tokens: int,
        vocabulary: int,
    ) -> None:
        super().__init__(decoder, max_rows=max_rows, max_tokens=max_tokens, vocabulary=vocabulary)
        self.max_source_tokens = max_source_tokens
        self.capacity_tokens = max_rows * (max_tokens + max_source_tokens)
        self._encoder = encoder
        self._source_buffers = self._allocate(max_source_tokens, of_source=True)

    def read_source(self, places: Sequence[int], source_ids: Ids) -> None:
        """Run the encoder once, and write its keys and values into each of the slots. See `SourceCache`."""
        slots, num_tokens = self._slots.of(places, 0), len(source_ids)
        if not 0 < num_tokens <= self.max_source_tokens:
            raise ValueError(f"a source of {num_tokens} tokens has no room: {self.max_source_tokens} fit")
        if self._slots.lengths[slots].any() or self._slots.source_lengths[slots].any():
            raise ValueError(f"not all of {list(places)} are empty")
        ids = np.asarray(source_ids, np.int64)[None]
        binding = self._encoder.binding()
        binding.feed("input_ids", ids)
        binding.feed("attention_mask", np.ones_like(ids))
        for buffer in self._source_buffers:
            binding.write(buffer.present, "cpu")
        binding.run()
        for buffer, answer in zip(self._source_buffers, binding.outputs(), strict=True):
            for slot in slots:
                buffer.put(int(slot), answer.numpy()[0])
        self._slots.source_lengths[slots] = num_tokens

    def prefill(self, place: int, token_ids: Ids) -> Floats:
        """Read the beginning of a text token by token, which is how the graph takes them. See `Cache`."""
        slot = int(self._slots.of([place], len(token_ids))[0])
        before = int(self._slots.lengths[slot])
        try:
            logits: Floats = [self.step([place], [int(token)]) for token in token_ids][-1][0]
        except Exception:
            self._slots.lengths[self._slots.of([place], 0)] = before
            raise
        return logits

    def step(self, places: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these places. See `Cache`."""
        if not self._slots.source_lengths[self._slots.of(places, 1)].all():
            raise ValueError(f"not all of {list(places)} have a source")
        return super().step(places, token_ids)

    def _bind(self, view: range) -> Binding:
        binding = super()._bind(view)
        for buffer in self._source_buffers:
            buffer.bind(binding, view)
        return binding

    def _feed(self, binding: Binding, rows: slice) -> None:
        """Feed the sources' lengths; a slot without one rides along as if it had one token, whatever that is."""
        binding.feed("source_lengths", np.maximum(self._slots.source_lengths[rows], 1))

    def _copy(self, move: Move) -> None:
        super()._copy(move)
        for buffer in self._source_buffers:
            buffer.copy(move.source, move.target, move.num_source_tokens)
