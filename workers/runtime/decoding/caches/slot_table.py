"""Which text lies in which slot of a slot cache: the books, without the memory.

A step runs all slots from the lowest to the highest of its texts, so a free slot between them costs as much as a text.
Such holes are filled in two ways: by the next text that comes, which takes the lowest free slot, or by moving the last
text of a step into the first hole. `Slots.move` says when that pays.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workers.runtime.decoding.caches.slot_allocator import check_heirs

Numbers = npt.NDArray[np.int64]
TOKENS_PER_ROW = 128
"""Tokens of cache that can be moved in the time that one more row takes in a step.

GPT-2 with 124M parameters on two cores: a free row costs 2 ms, a token 3 µs, and 15 µs where nothing was written yet.
Larger models are further on the side of moving, since a row's cost grows with the square of their width.
"""


class Move(NamedTuple):
    """A text that is to be copied from one slot to another, free one."""

    source: int
    target: int
    num_tokens: int
    num_source_tokens: int = 0


class Rearrangement(NamedTuple):
    """Texts that go on from one another: in which slot each will lie, and what is to be copied for that."""

    slots: dict[int, int]
    """By place."""
    copies: list[Move]
    """No slot is both read and written."""


class Slots:
    """A text is named by its place, which stays what it is while the text is moved."""

    def __init__(self, num_slots: int, max_tokens: int) -> None:
        self.lengths: Numbers = np.zeros(num_slots, np.int64)
        """Tokens that each slot holds; 0 for a free one."""
        self.source_lengths: Numbers = np.zeros(num_slots, np.int64)
        """Tokens of the source that each slot's text looks at; 0 where there is none."""
        self._max_tokens = max_tokens
        self._slots: dict[int, int] = {}
        self._places: list[int | None] = [None] * num_slots
        self._num_wasted = 0

    def take(self) -> int | None:
        """Give the lowest free slot to a new text; return its place, or None while all are taken."""
        if len(self._slots) == len(self._places):
            return None
        place = next(number for number in range(len(self._places)) if number not in self._slots)
        slot = self._places.index(None)
        self._slots[place], self._places[slot] = slot, place
        return place

    def leave(self, place: int) -> None:
        """Free the slot of a text."""
        slot = self._slots.pop(place)
        self._places[slot] = None
        self.lengths[slot] = self.source_lengths[slot] = 0

    def of(self, places: Sequence[int], num_tokens: int) -> Numbers:
        """Return the slots of texts that are about to get so many tokens each, int64 [places].

        Raises:
            ValueError: a text is named twice, or would become longer than a slot.
        """
        slots = np.array([self._slots[place] for place in places], np.int64)
        if len(set(places)) != len(places):
            raise ValueError(f"a text can't be in a step twice: {list(places)}")
        if self.lengths[slots].max() + num_tokens > self._max_tokens:
            raise ValueError(f"a text of more than {self._max_tokens} tokens has no room")
        return slots

    def move(self, slots: Numbers) -> Move | None:
        """Return what is to be moved before a step of the texts in these slots, if anything.

        The last text moves into the first hole once as much time has been lost on free slots as the copy takes: a short
        text at once, a long one after some steps. So no more than twice the best possible is lost, whether the holes
        would have been filled by new texts or not. One move a step keeps the gap between two tokens bounded.
        """
        first, last = int(slots.min()), int(slots.max())
        holes = [slot for slot in range(first, last) if self._places[slot] is None]
        self._num_wasted = self._num_wasted + len(holes) if holes else 0
        num_tokens, num_source_tokens = int(self.lengths[last]), int(self.source_lengths[last])
        if not holes or self._num_wasted * TOKENS_PER_ROW < num_tokens + num_source_tokens:
            return None
        return Move(last, holes[0], num_tokens, num_source_tokens)

    def moved(self, move: Move) -> None:
        """Note that a text was copied; its old slot is free."""
        place = self._places[move.source]
        if place is None:
            raise ValueError(f"slot {move.source} is free")
        self._slots[place], self._places[move.target], self._places[move.source] = move.target, place, None
        self.lengths[move.target], self.lengths[move.source] = move.num_tokens, 0
        self.source_lengths[move.target], self.source_lengths[move.source] = move.num_source_tokens, 0
        self._num_wasted = 0

    def rearrangement(self, places: Sequence[int], parents: Sequence[int]) -> Rearrangement:
        """Return how texts go on from one another: see `workers.runtime.decoding.caches.cache.Cache.rearrange`.

        A parent's slot goes to one of its heirs as it is, so only those that share a parent with another are copied,
        into the slots of texts that nobody goes on with.

        Raises:
            ValueError: parents that are not among the places, or whose texts can't be of one search.
        """
        self._check(places, parents)
        slots = {parent: self._slots[parent] for place, parent in zip(places, parents, strict=True) if place == parent}
        left = [self._slots[place] for place in places if place not in parents]
        inherited, copies = set(slots), list[Move]()
        for place, parent in zip(places, parents, strict=True):
            source = self._slots[parent]
            if place in slots:
                continue
            if parent not in inherited:
                slots[place] = source
                inherited.add(parent)
            else:
                slots[place] = left.pop()
                copies.append(Move(source, slots[place], int(self.lengths[source])))
        return Rearrangement(slots, copies)

    def rearranged(self, rearrangement: Rearrangement) -> None:
        """Note that the copies were made."""
        for place, slot in rearrangement.slots.items():
            self._slots[place], self._places[slot] = slot, place
        for copy in rearrangement.copies:
            self.lengths[copy.target] = copy.num_tokens

    def _check(self, places: Sequence[int], parents: Sequence[int]) -> None:
        check_heirs(places, parents)
        slots, read = self.of(places, 0), self.of(sorted(set(parents)), 0)
        if len(set(self.lengths[read])) > 1 or len(set(self.source_lengths[slots])) > 1:
            raise ValueError("texts of different lengths can't go on from one another")
