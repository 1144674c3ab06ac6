"""A cache for graphs that take all of their state and answer the next one.

As long as the same texts step together, what a call answers is what the next one takes, and nothing is copied; it is
put together anew when texts join or leave. A state is never changed, so a call that failed has changed nothing, and a
text that pauses goes on from its row of an older state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.slot_allocator import Places, check_heirs
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Binding, Buffer


@dataclass(frozen=True, eq=False)
class Source:
    """One source that an encoder has read. Equal to itself only."""

    num_tokens: int


@dataclass(frozen=True, eq=False)
class State:
    """What a graph carries from call to call, in the order of its inputs."""

    tensors: tuple[Buffer, ...]
    num_rows: int
    sources: tuple[Source, ...] = ()
    """Of encoder-decoders: each row's."""
    fixed: tuple[Buffer, ...] = ()
    """Of encoder-decoders: what all steps read of the sources, padded on the right; it is the same in every state of
    the same sources."""


@dataclass(frozen=True)
class Row:
    """One text's part of a state."""

    state: State
    index: int
    num_tokens: int
    """Tokens that it has read and written."""


class CarryingGraph(Protocol):
    """A graph that carries a state."""

    def weight(self, num_tokens: int) -> int:
        """Return how many tokens a text of so many holds in its state."""
        ...

    def start(self) -> State:
        """Return the state of one text that has nothing yet."""
        ...

    def merged(self, rows: Sequence[Row]) -> State:
        """Return one state of these rows, in their order."""
        ...

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows of a state.

        Args:
            state: it stays as it is.
            ids: int64 [rows, tokens]; several tokens for a single row only.
            lengths: int64 [rows], the tokens that each row has.

        Returns:
            The logits after each row's last token, float32 [rows, vocabulary], and the next state.
        """
        ...


class CarriedCache:
    """See `workers.runtime.decoding.caches.cache.Cache`.

    Args:
        graph: what carries the state.
        max_rows: places.
        max_tokens: most tokens of a text.
        capacity_tokens: tokens that all texts together may hold.
        vocabulary: length of the logits.
    """

    def __init__(
        self, graph: CarryingGraph, *, max_rows: int, max_tokens: int, capacity_tokens: int, vocabulary: int
    ) -> None:
        self.max_rows, self.max_tokens, self.vocabulary = max_rows, max_tokens, vocabulary
        self.capacity_tokens = capacity_tokens
        self._graph = graph
        self._places = Places(max_rows, capacity_tokens)
        self._rows: dict[int, Row] = {}

    @property
    def tokens_held(self) -> int:
        """Tokens that the texts hold now."""
        return sum(self._graph.weight(row.num_tokens) for row in list(self._rows.values()))

    def take(self, num_tokens: int) -> int | None:
        """Reserve a place; see `Cache` and `Places`."""
        if num_tokens > self.max_tokens:
            raise ValueError(f"a text of {num_tokens} tokens has no room: {self.max_tokens} fit")
        place = self._places.take(self._room(num_tokens))
        if place is not None:
            self._rows[place] = Row(self._graph.start(), 0, 0)
        return place

    def prefill(self, place: int, token_ids: Ids) -> Floats:
        """Read a prompt, or the next piece of it, by itself. See `Cache`."""
        logits: Floats = self._append([place], [self._rows[place]], np.asarray(token_ids, np.int64)[None])[0]
        return logits

    def step(self, places: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these places. See `Cache`."""
        rows = [self._rows[place] for place in places]
        return self._append(places, rows, np.array(token_ids, np.int64)[:, None])

    def rearrange(self, places: Sequence[int], parents: Sequence[int]) -> None:
        """Let texts go on from one another: a state is never changed, so heirs take the same row of it. See `Cache`."""
        check_heirs(places, parents)
        self._rows |= {place: self._rows[parent] for place, parent in zip(places, parents, strict=True)}

    def leave(self, place: int) -> None:
        """Free a place; its row goes when the others are put together anew. See `Cache`."""
        self._places.leave(place)
        del self._rows[place]

    def _room(self, num_tokens: int) -> int:
        """Return the tokens of the cache that such a text needs in the end."""
        return self._graph.weight(num_tokens)

    def _append(self, places: Sequence[int], rows: list[Row], ids: Ids) -> Floats:
        """Append tokens, int64 [places, tokens], to what the texts of these places have; return their logits."""
        num_new = ids.shape[1]
        if max(row.num_tokens for row in rows) + num_new > self.max_tokens:
            raise ValueError(f"a text of more than {self.max_tokens} tokens has no room")
        rows = self._together(rows)
        request = np.array([row.index for row in rows])
        lengths = np.array([row.num_tokens for row in rows], np.int64)
        by_index = np.argsort(request)
        logits, state = self._graph.run(rows[0].state, ids[by_index], lengths[by_index])
        for place, row in zip(places, rows, strict=True):
            self._rows[place] = Row(state, row.index, row.num_tokens + num_new)
        if (request[:-1] > request[1:]).any():
            logits = logits[request]
        return logits

    def _together(self, rows: list[Row]) -> list[Row]:
        """Return these rows as all rows of one state."""
        state = rows[0].state
        alike = len(rows) == len({row.index for row in rows}) == state.num_rows
        if alike and all(row.state is state for row in rows):
            return rows
        state = self._graph.merged(rows)
        return [Row(state, index, row.num_tokens) for index, row in enumerate(rows)]


def carry(
    binding: Binding, inputs: Sequence[str], outputs: Sequence[str], state: State
) -> tuple[Floats, tuple[Buffer, ...]]:
    """Run a graph that has been fed: its state in, the next state and the logits out.

    Returns:
        The logits after each row's last token, float32 [rows, vocabulary], and the next state's tensors.
    """
    for name, tensor in zip(inputs, state.tensors, strict=True):
        binding.read(name, tensor)
    binding.write("logits", "cpu")
    for name in outputs:
        binding.write(name)
    binding.run()
    logits, *tensors = binding.outputs()
    last: Floats = logits.numpy()[:, -1]
    # A prompt's logits are of all its tokens: they are not kept for the sake of the last one.
    return (last if logits.shape[1] == 1 else last.copy()), tuple(tensors)
