"""Hold examples out from training, and draw them for evaluation."""

import zlib
from collections.abc import Callable, Collection
from typing import TypeVar

Item = TypeVar("Item")


def is_held_out(*key: str, one_in: int = 5) -> bool:
    """Return whether the combination of these parts is reserved for evaluation; about one in ``one_in`` is.

    A checksum decides, which is the same on every machine and in every run.
    """
    # hash() of a text differs from process to process.
    return zlib.crc32("|".join(key).encode()) % one_in == 0


def draw_distinct(
    num_items: int, draw: Callable[[], Item], text_of: Callable[[Item], str], *, taken: Collection[str] = ()
) -> list[Item]:
    """Return the first items that ``draw`` returns with different texts, none of which is ``taken``."""
    items: dict[str, Item] = {}
    while len(items) < num_items:
        item = draw()
        if (text := text_of(item)) not in taken:
            items.setdefault(text, item)
    return list(items.values())
