"""Transformer-XL, whose state is a memory of hidden states that has the same length from the first token to the last.

The memory starts as zeros. A step appends one token to each row, so sequences of any length share a call.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from workers.runtime.decoding.caches.cache import Floats, Saved
from workers.runtime.decoding.caches.stateful.cache import StatefulCache
from workers.runtime.decoding.caches.stateful.state import State, StateRow, arrays_by_state, run_with_past
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Buffer
from workers.runtime.inference.session import Session

_PAST, _PRESENT = "mems", "new_mems"
_NO_TOKENS = np.zeros(0, np.int64)


class MemoryGraph:
    """A `StatefulGraph` whose tensors are [memory, rows, size]."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.device = session.device
        self._inputs = [name for name in session.inputs if name.startswith(_PAST)]
        self._outputs = [name.replace(_PAST, _PRESENT) for name in self._inputs]
        self.memory, _ = session.dims(self._inputs[0], 0, 2)
        """Tokens of one sequence that the graph remembers."""
        self._initial_state = State(tuple(self._zeros(name) for name in self._inputs), 1)

    def cached_tokens(self, num_tokens: int) -> int:
        """Return the length of the memory, which every sequence occupies from its start."""
        return self.memory

    def initial_state(self) -> State:
        """Return an empty memory."""
        return self._initial_state

    def merge(self, rows: Sequence[StateRow]) -> State:
        """Return one state of these rows. On CUDA it is copied through the host."""
        merged = []
        for number in range(len(self._inputs)):
            arrays = arrays_by_state(rows, number)
            memories = [arrays[id(row.state)][:, row.index] for row in rows]
            merged.append(Buffer.from_array(np.stack(memories, axis=1), self.device))
        return State(tuple(merged), len(rows))

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows. Transformer-XL encodes relative distances, so it does not need the lengths."""
        binding = self._session.binding()
        binding.feed("input_ids", ids)
        logits, tensors = run_with_past(binding, self._inputs, self._outputs, state)
        return logits, State(tensors, state.num_rows)

    def _zeros(self, name: str) -> Buffer:
        memory, size = self._session.dims(name, 0, 2)
        return Buffer.from_array(np.zeros((memory, 1, size), self._session.inputs[name].dtype), self.device)


class MemoryCache(StatefulCache):
    """A `workers.runtime.decoding.caches.cache.Cache` over a `MemoryGraph`.

    Args:
        graph: the loaded graph.
        max_slots: sequences that can be held at once.
        max_tokens: longest sequence. The network itself has no limit; the package's is enforced as for other decoders.
        vocab_size: length of a row of logits.
    """

    def __init__(self, graph: MemoryGraph, *, max_slots: int, max_tokens: int, vocab_size: int) -> None:
        capacity = max_slots * graph.memory
        super().__init__(
            graph, max_slots=max_slots, max_tokens=max_tokens, capacity_tokens=capacity, vocab_size=vocab_size
        )
        self._prompts: dict[int, Ids] = {}

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Process the whole prompt so far again, with the next chunk appended."""
        # A token attends to the memory and to all tokens before it in the same call. If a prompt longer than the memory
        # were processed in chunks, later chunks would see less than in transformers, which runs it in one call.
        known = self._prompts.get(slot, _NO_TOKENS)
        if self._rows[slot].num_tokens != len(known):
            raise ValueError("a prompt can't be extended after tokens were generated")
        prompt = np.concatenate([known, token_ids])
        logits: Floats = self._append([slot], [StateRow(self._graph.initial_state(), 0, 0)], prompt[None])[0]
        self._prompts[slot] = prompt
        return logits

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        """Let beams continue from one another, with their prompts."""
        super().reorder_cache(slots, beam_idx)
        prompts = [self._prompts.get(slots[index], _NO_TOKENS) for index in beam_idx]
        self._prompts |= dict(zip(slots, prompts, strict=True))

    def save(self, slots: Sequence[int]) -> Saved:
        """Copy the memories of these slots to the host, and keep their prompts."""
        own, prompts = super().save(slots), [self._prompts.get(slot, _NO_TOKENS) for slot in slots]
        return Saved(own.num_bytes, partial(self._restore_with_prompts, own, prompts))

    def _restore_with_prompts(self, own: Saved, prompts: Sequence[Ids], slots: Sequence[int]) -> None:
        own.restore(slots)
        self._prompts |= zip(slots, prompts, strict=True)

    def free(self, slot: int) -> None:
        """Release a slot and forget its prompt."""
        super().free(slot)
        self._prompts.pop(slot, None)
