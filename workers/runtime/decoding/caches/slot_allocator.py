"""Who may hold how much of a cache that is not divided into slots."""

from collections.abc import Sequence


class Places:
    """Texts that are let in while there is a place and room for their tokens.

    Rows of one call are padded to the longest, so each text counts as the longest of all.
    """

    def __init__(self, max_rows: int, capacity_tokens: int) -> None:
        self._max_rows = max_rows
        self._capacity_tokens = capacity_tokens
        self._reserved: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._reserved)

    def take(self, num_tokens: int) -> int | None:
        """Give the lowest free place to a text of so many tokens in the end; None while there is no room."""
        rows = len(self._reserved) + 1
        if rows > self._max_rows or rows * max(num_tokens, *self._reserved.values(), 0) > self._capacity_tokens:
            return None
        place = next(number for number in range(rows) if number not in self._reserved)
        self._reserved[place] = num_tokens
        return place

    def leave(self, place: int) -> None:
        """Free a place."""
        del self._reserved[place]


def check_heirs(places: Sequence[int], parents: Sequence[int]) -> None:
    """Check what `workers.runtime.decoding.caches.cache.Cache.rearrange` is asked for.

    Raises:
        ValueError: not every place has a parent among the places, or a place comes twice.
    """
    if len(set(places)) != len(places) or len(parents) != len(places) or not set(parents) <= set(places):
        raise ValueError(f"{list(places)} can't go on from {list(parents)}")
