"""Slots of caches that have no fixed memory per slot: they share a budget of tokens."""

from collections.abc import Collection, Sequence


class SlotAllocator:
    """Grants slots while their number and the token budget allow it.

    Sequences of one model call are padded to the longest, so each counts with the length of the longest of all.
    """

    def __init__(self, max_slots: int, capacity_tokens: int) -> None:
        self._max_slots = max_slots
        self._capacity_tokens = capacity_tokens
        self._reserved: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._reserved)

    def allocate(self, num_tokens: int) -> int | None:
        """Return the lowest free slot for a sequence of this final length, or None if it does not fit now."""
        # The whole final length is reserved now, so a sequence that has started can always be finished.
        if not self.has_room(1, num_tokens):
            return None
        slot = next(number for number in range(len(self._reserved) + 1) if number not in self._reserved)
        self._reserved[slot] = num_tokens
        return slot

    def has_room(self, num_slots: int, num_tokens: int, without: Collection[int] = ()) -> bool:
        """Return whether so many sequences of this final length would fit, if the slots of ``without`` were free."""
        others = [reserved for slot, reserved in self._reserved.items() if slot not in without]
        total = len(others) + num_slots
        return total <= self._max_slots and total * max(num_tokens, *others, 0) <= self._capacity_tokens

    def free(self, slot: int) -> None:
        """Return a slot and its tokens to the budget."""
        del self._reserved[slot]


def check_fits(num_tokens: int, max_tokens: int) -> None:
    """Check that a sequence of this length fits into one slot.

    Raises:
        ValueError: it does not.
    """
    if num_tokens > max_tokens:
        raise ValueError(f"a sequence of {num_tokens} tokens does not fit: the limit is {max_tokens}")


def check_source_fits(num_tokens: int, max_source_tokens: int) -> None:
    """Check that a source is neither empty nor too long.

    Raises:
        ValueError: it is.
    """
    if not 0 < num_tokens <= max_source_tokens:
        raise ValueError(f"a source of {num_tokens} tokens does not fit: the limit is {max_source_tokens}")


def check_beams(slots: Sequence[int], beam_idx: Sequence[int]) -> None:
    """Check the arguments of ``Cache.reorder_cache``.

    Raises:
        ValueError: a slot is named twice, or not every slot has an index of one of the slots.
    """
    in_range = all(0 <= index < len(slots) for index in beam_idx)
    if len(set(slots)) != len(slots) or len(beam_idx) != len(slots) or not in_range:
        raise ValueError(f"slots {list(slots)} can't be reordered by beam_idx {list(beam_idx)}")
