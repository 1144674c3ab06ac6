"""A cache for encoder-decoders whose graphs take the whole decoding state and return the next one.

The encoder's outputs are kept apart from the state that grows. While the same sources are batched together they are not
copied, not even when beams continue from one another.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.slot_allocator import check_source_fits
from workers.runtime.decoding.caches.stateful.cache import StatefulCache
from workers.runtime.decoding.caches.stateful.state import Source, State, StatefulGraph, StateRow
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Buffer


class EncoderDecoderGraph(StatefulGraph, Protocol):
    """An encoder, and a decoder with a state."""

    def encode(self, source_ids: Ids) -> State:
        """Run the encoder on int64 [tokens]; return the state of one sequence without tokens over this source."""
        ...


class EncoderDecoderStatefulCache(StatefulCache):
    """A `workers.runtime.decoding.caches.cache.EncoderDecoderCache` over such graphs.

    Args:
        graph: the loaded graphs.
        max_slots: sequences that can be held at once.
        max_tokens: longest sequence.
        max_source_tokens: longest source.
        capacity_tokens: tokens that all sequences and their sources together can hold.
        vocab_size: length of a row of logits.
    """

    def __init__(
        self,
        graph: EncoderDecoderGraph,
        *,
        max_slots: int,
        max_tokens: int,
        max_source_tokens: int,
        capacity_tokens: int,
        vocab_size: int,
    ) -> None:
        super().__init__(
            graph, max_slots=max_slots, max_tokens=max_tokens, capacity_tokens=capacity_tokens, vocab_size=vocab_size
        )
        self.max_source_tokens = max_source_tokens
        self._encoder = graph

    @property
    def tokens_held(self) -> int:
        """Tokens that the sequences and their sources hold now."""
        # list() copies in one go what the inference thread changes while the heartbeat's thread reads this.
        rows = [row for row in list(self._rows.values()) if row.state.sources]
        return super().tokens_held + sum(source_of(row).num_tokens for row in rows)

    def encode(self, slots: Sequence[int], source_ids: Ids) -> None:
        """Run the encoder once; all slots share the row that it returns."""
        check_source_fits(len(source_ids), self.max_source_tokens)
        if any(self._rows[slot].state.sources for slot in slots):
            raise ValueError(f"not all slots of {list(slots)} are empty")
        state = self._encoder.encode(np.asarray(source_ids, np.int64))
        self._rows |= dict.fromkeys(slots, StateRow(state, 0, 0))

    def _reserved_tokens(self, num_tokens: int) -> int:
        # The length of the source is not known when the slot is reserved.
        return super()._reserved_tokens(num_tokens) + self.max_source_tokens

    def _append(self, slots: Sequence[int], rows: list[StateRow], ids: Ids) -> Floats:
        if not all(row.state.sources for row in rows):
            raise ValueError(f"not all slots of {list(slots)} have a source")
        return super()._append(slots, rows, ids)


def source_of(row: StateRow) -> Source:
    """Return the source of a row's sequence."""
    return row.state.sources[row.index]


def source_mask(state: State) -> Ids:
    """Return the attention mask of the sources, int64 [rows, longest source]: 1 for tokens, 0 for padding."""
    lengths = np.array([source.num_tokens for source in state.sources])
    return (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)


def merge_encoder_outputs(rows: Sequence[StateRow], tokens_axis: int, device: str) -> tuple[Buffer, ...]:
    """Return the encoder outputs for a state of these rows. On CUDA a copy passes through the host.

    Args:
        rows: in the order that the new state has.
        tokens_axis: the axis along which the tokens of a source lie.
        device: where the buffers go.
    """
    sources = tuple(map(source_of, rows))
    # Beams that continue from one another change rows, but their sources stay the same ones in the same order: then an
    # existing buffer is reused.
    for row in rows:
        if row.state.sources == sources:
            return row.state.encoder_outputs
    merged, longest = [], max(source.num_tokens for source in sources)
    for number in range(len(rows[0].state.encoder_outputs)):
        arrays = {id(state): state.encoder_outputs[number].numpy() for state in {row.state for row in rows}}
        shape = list(arrays[id(rows[0].state)].shape)
        shape[0], shape[tokens_axis] = len(rows), longest
        # Zeros, because masked positions get the weight 0 and 0 times NaN would be NaN.
        padded = np.zeros(shape, arrays[id(rows[0].state)].dtype)
        for index, row in enumerate(rows):
            own_tokens = (slice(None),) * (tokens_axis - 1) + (slice(source_of(row).num_tokens),)
            padded[index][own_tokens] = arrays[id(row.state)][row.index][own_tokens]
        merged.append(Buffer.from_array(padded, device))
    return tuple(merged)
