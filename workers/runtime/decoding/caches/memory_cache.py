"""The cache of Transformer-XL: a memory of hidden states, of one length from the start of a text to its end.

At the start it holds zeros. A step is one token for each row, so texts of any age share a call.

How far a token sees back depends on what is read with it: the memory, and all tokens before it in the same call. So a
prompt must be read in one call to be understood as transformers does, and when more of it comes, it is read again.
"""

from collections.abc import Sequence

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.stateful_cache import CarriedCache, Row, State, carry
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Buffer
from workers.runtime.inference.session import Session

_PAST, _PRESENT = "mems", "new_mems"
_NOTHING = np.zeros(0, np.int64)


class MemoryGraph:
    """See `workers.runtime.decoding.caches.stateful_cache.CarryingGraph`. Tensors are [memory, rows, size]."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inputs = [name for name in session.inputs if name.startswith(_PAST)]
        self._outputs = [name.replace(_PAST, _PRESENT) for name in self._inputs]
        self.memory, _ = session.dims(self._inputs[0], 0, 2)
        """Tokens of one text that the graph remembers."""
        self._start = State(tuple(self._zeros(name) for name in self._inputs), 1)

    def weight(self, num_tokens: int) -> int:
        """Return the memory's tokens: it has its full length from the start."""
        return self.memory

    def start(self) -> State:
        """Return an empty memory."""
        return self._start

    def merged(self, rows: Sequence[Row]) -> State:
        """Return one state of these rows. On cuda this goes through the host."""
        merged = []
        for number in range(len(self._inputs)):
            arrays = {id(row.state): row.state.tensors[number].numpy() for row in rows}
            memories = [arrays[id(row.state)][:, row.index] for row in rows]
            merged.append(Buffer.holding(np.stack(memories, axis=1), self._session.device))
        return State(tuple(merged), len(rows))

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows; see `CarryingGraph`. Distances are relative, so lengths do not matter."""
        binding = self._session.binding()
        binding.feed("input_ids", ids)
        logits, tensors = carry(binding, self._inputs, self._outputs, state)
        return logits, State(tensors, state.num_rows)

    def _zeros(self, name: str) -> Buffer:
        memory, size = self._session.dims(name, 0, 2)
        return Buffer.holding(np.zeros((memory, 1, size), self._session.inputs[name].dtype), self._session.device)


class MemoryCache(CarriedCache):
    """See `workers.runtime.decoding.caches.cache.Cache`.

    The network knows no longest text, but its manifest does; it is kept here as for other decoders.

    Args:
        graph: what carries the memory.
        max_rows: places.
        max_tokens: most tokens of a text, prompt and answer together.
        vocabulary: length of the logits.
    """

    def __init__(self, graph: MemoryGraph, *, max_rows: int, max_tokens: int, vocabulary: int) -> None:
        capacity = max_rows * graph.memory
        super().__init__(
            graph, max_rows=max_rows, max_tokens=max_tokens, capacity_tokens=capacity, vocabulary=vocabulary
        )
        self._prompts: dict[int, Ids] = {}

    def prefill(self, place: int, token_ids: Ids) -> Floats:
        """Read a prompt, or all that there is of it once more. See `Cache`."""
        known = self._prompts.get(place, _NOTHING)
        if self._rows[place].num_tokens != len(known):
            raise ValueError("a prompt ends where the answer begins")
        prompt = np.concatenate([known, token_ids])
        logits: Floats = self._append([place], [Row(self._graph.start(), 0, 0)], prompt[None])[0]
        self._prompts[place] = prompt
        return logits

    def rearrange(self, places: Sequence[int], parents: Sequence[int]) -> None:
        """Let texts go on from one another. See `Cache`."""
        super().rearrange(places, parents)
        prompts = [self._prompts.get(parent, _NOTHING) for parent in parents]
        self._prompts |= dict(zip(places, prompts, strict=True))

    def leave(self, place: int) -> None:
        """Free a place. See `Cache`."""
        super().leave(place)
        self._prompts.pop(place, None)
