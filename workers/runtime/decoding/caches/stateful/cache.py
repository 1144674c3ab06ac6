"""A cache for graphs that take the whole decoding state as inputs and return the next state as outputs.

While the same sequences step together, the state that one call returns is the input of the next call and nothing is
copied. When sequences join or leave, a new state is merged from their rows. A state is never changed, so a failed call
leaves no trace, and a sequence that pauses continues later from its row of an older state.
"""

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np

from workers.runtime.decoding.caches.cache import Floats, Saved
from workers.runtime.decoding.caches.slot_allocator import SlotAllocator, check_beams, check_fits
from workers.runtime.decoding.caches.stateful.state import StatefulGraph, StateRow
from workers.runtime.decoding.request import Ids


class StatefulCache:
    """A `workers.runtime.decoding.caches.cache.Cache` over a stateful graph.

    Args:
        graph: the loaded graph.
        max_slots: sequences that can be held at once.
        max_tokens: longest sequence.
        capacity_tokens: tokens that all sequences together can hold.
        vocab_size: length of a row of logits.
    """

    def __init__(
        self, graph: StatefulGraph, *, max_slots: int, max_tokens: int, capacity_tokens: int, vocab_size: int
    ) -> None:
        self.max_slots, self.max_tokens, self.vocab_size = max_slots, max_tokens, vocab_size
        self.capacity_tokens = capacity_tokens
        self._graph = graph
        self._slots = SlotAllocator(max_slots, capacity_tokens)
        self._rows: dict[int, StateRow] = {}

    @property
    def tokens_held(self) -> int:
        """Tokens that the sequences hold now."""
        # The heartbeat's thread reads this while the inference thread changes the dict: list() copies it in one go.
        return sum(self._graph.cached_tokens(row.num_tokens) for row in list(self._rows.values()))

    def allocate(self, num_tokens: int) -> int | None:
        """Reserve a slot and its share of the token budget."""
        check_fits(num_tokens, self.max_tokens)
        slot = self._slots.allocate(self._reserved_tokens(num_tokens))
        if slot is not None:
            self._rows[slot] = StateRow(self._graph.initial_state(), 0, 0)
        return slot

    def has_room(self, num_slots: int, num_tokens: int, without: Collection[int] = ()) -> bool:
        """Return whether so many slots could be allocated."""
        return self._slots.has_room(num_slots, self._reserved_tokens(num_tokens), without)

    def free(self, slot: int) -> None:
        """Release a slot. Its row stays in the shared state until that is merged anew."""
        self._slots.free(slot)
        del self._rows[slot]

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Append a prompt, or the next chunk of it, in a call of its own."""
        logits: Floats = self._append([slot], [self._rows[slot]], np.asarray(token_ids, np.int64)[None])[0]
        return logits

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these slots."""
        rows = [self._rows[slot] for slot in slots]
        return self._append(slots, rows, np.array(token_ids, np.int64)[:, None])

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        """Let beams continue from one another: slots can share a row, since a step never changes a state."""
        check_beams(slots, beam_idx)
        self._rows |= {slot: self._rows[slots[index]] for slot, index in zip(slots, beam_idx, strict=True)}

    def saved_bytes(self, slots: Sequence[int]) -> int:
        """Return how much host memory `save` would take: rows are padded to the longest, and no less than now."""
        rows = self._distinct_rows(slots)
        return len(rows) * max(row.state.row_bytes for row in rows)

    def save(self, slots: Sequence[int]) -> Saved:
        """Copy the rows of these slots to a state of their own, in host memory."""
        distinct = self._distinct_rows(slots)
        places = [distinct.index(self._rows[slot]) for slot in slots]
        rows = self._merge_if_needed(distinct)
        state = rows[0].state.on("cpu")
        saved = [StateRow(state, rows[place].index, rows[place].num_tokens) for place in places]
        return Saved(state.row_bytes * state.num_rows, partial(self._restore, saved))

    def _restore(self, saved: Sequence[StateRow], slots: Sequence[int]) -> None:
        state = saved[0].state.on(self._graph.device)
        rows = [StateRow(state, row.index, row.num_tokens) for row in saved]
        self._rows |= zip(slots, rows, strict=True)

    def _distinct_rows(self, slots: Sequence[int]) -> list[StateRow]:
        """Return the rows of these slots, each once: beams may share one."""
        return list(dict.fromkeys(self._rows[slot] for slot in slots))

    def _reserved_tokens(self, num_tokens: int) -> int:
        """Return how many tokens of the budget a sequence of this final length needs."""
        return self._graph.cached_tokens(num_tokens)

    def _append(self, slots: Sequence[int], rows: list[StateRow], ids: Ids) -> Floats:
        """Append tokens, int64 [slots, tokens], to the rows of these slots; return the logits in their order."""
        num_new = ids.shape[1]
        check_fits(max(row.num_tokens for row in rows) + num_new, self.max_tokens)
        rows = self._merge_if_needed(rows)
        order = np.array([row.index for row in rows])
        lengths = np.array([row.num_tokens for row in rows], np.int64)
        # Inputs go in the order of the state's rows, so that the same sequences can be asked for in any order without
        # a merge. The logits are put back into the caller's order at the end.
        by_index = np.argsort(order)
        logits, state = self._graph.run(rows[0].state, ids[by_index], lengths[by_index])
        for slot, row in zip(slots, rows, strict=True):
            self._rows[slot] = StateRow(state, row.index, row.num_tokens + num_new)
        if (order[:-1] > order[1:]).any():
            logits = logits[order]
        return logits

    def _merge_if_needed(self, rows: list[StateRow]) -> list[StateRow]:
        """Return rows that are exactly the rows of one state."""
        state = rows[0].state
        is_whole_state = len(rows) == len({row.index for row in rows}) == state.num_rows
        if is_whole_state and all(row.state is state for row in rows):
            return rows
        state = self._graph.merge(rows)
        return [StateRow(state, index, row.num_tokens) for index, row in enumerate(rows)]
