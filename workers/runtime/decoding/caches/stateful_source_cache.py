"""A cache for encoder-decoders whose graphs take all of their state and answer the next one.

What the encoder made of the sources stays apart from what grows with the texts: as long as the same sources stand side
by side, it is not copied, not even where beams go on from one another.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.stateful_cache import CarriedCache, CarryingGraph, Row, Source, State
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Buffer


class ReadingGraph(CarryingGraph, Protocol):
    """An encoder, and a decoder that carries a state."""

    def read(self, source_ids: Ids) -> State:
        """Run the encoder on int64 [tokens]; return the state of one text that has this source and nothing else."""
        ...


class SourceCarriedCache(CarriedCache):
    """See `caches.cache.SourceCache`. A text needs room for its tokens and for the longest source.

    Args:
        graph: what reads sources and carries the state.
        max_rows: places.
        max_tokens: most tokens of a text.
        max_source_tokens: most tokens of a source.
        capacity_tokens: tokens that all texts and their sources together may hold.
        vocabulary: length of the logits.
    """

    def __init__(
        self,
        graph: ReadingGraph,
        *,
        max_rows: int,
        max_tokens: int,
        max_source_tokens: int,
        capacity_tokens: int,
        vocabulary: int,
    ) -> None:
        super().__init__(
            graph, max_rows=max_rows, max_tokens=max_tokens, capacity_tokens=capacity_tokens, vocabulary=vocabulary
        )
        self.max_source_tokens = max_source_tokens
        self._reader = graph

    @property
    def tokens_held(self) -> int:
        """Tokens that the texts and their sources hold now."""
        rows = [row for row in list(self._rows.values()) if row.state.sources]
        return super().tokens_held + sum(source_of(row).num_tokens for row in rows)

    def read_source(self, places: Sequence[int], source_ids: Ids) -> None:
        """Run the encoder once; all texts get the row that it answers. See `SourceCache`."""
        if not 0 < len(source_ids) <= self.max_source_tokens:
            raise ValueError(f"a source of {len(source_ids)} tokens has no room: {self.max_source_tokens} fit")
        if any(self._rows[place].state.sources for place in places):
            raise ValueError(f"not all of {list(places)} are empty")
        state = self._reader.read(np.asarray(source_ids, np.int64))
        self._rows |= dict.fromkeys(places, Row(state, 0, 0))

    def _room(self, num_tokens: int) -> int:
        return super()._room(num_tokens) + self.max_source_tokens

    def _append(self, places: Sequence[int], rows: list[Row], ids: Ids) -> Floats:
        if not all(row.state.sources for row in rows):
            raise ValueError(f"not all of {list(places)} have a source")
        return super()._append(places, rows, ids)


def source_of(row: Row) -> Source:
    """Return what a row's text looks at."""
    return row.state.sources[row.index]


def source_mask(state: State) -> Ids:
    """Return 1 for tokens of each row's source, and 0 for the padding behind them, int64 [rows, longest source]."""
    lengths = np.array([source.num_tokens for source in state.sources])
    return (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)


def fixed_together(rows: Sequence[Row], axis: int, device: str) -> tuple[Buffer, ...]:
    """Return what steps of these rows read of their sources; on cuda it goes through the host if it must be copied.

    Args:
        rows: their order is kept.
        axis: along which the tokens of a source lie.
        device: where to put it.
    """
    sources = tuple(map(source_of, rows))
    for row in rows:
        if row.state.sources == sources:
            return row.state.fixed
    together, longest = [], max(source.num_tokens for source in sources)
    for number in range(len(rows[0].state.fixed)):
        arrays = {id(row.state): row.state.fixed[number].numpy() for row in rows}
        shape = list(arrays[id(rows[0].state)].shape)
        shape[0], shape[axis] = len(rows), longest
        # What lies behind a mask is multiplied by nothing, but must not be NaN.
        whole = np.zeros(shape, arrays[id(rows[0].state)].dtype)
        for index, row in enumerate(rows):
            of_source = (slice(None),) * (axis - 1) + (slice(source_of(row).num_tokens),)
            whole[index][of_source] = arrays[id(row.state)][row.index][of_source]
        together.append(Buffer.holding(whole, device))
    return tuple(together)
