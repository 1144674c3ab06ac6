"""Cut texts so that each part has no more tokens than there is room for: at clauses, else words, else characters.

Whatever the text, each of its characters is tokenized a bounded number of times, so the time it takes is linear.
"""

# ruff: noqa: RUF001  (punctuation of many languages)

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from contracts.errors import InputTooLong

Measure = Callable[[Sequence[str]], list[int]]
"""How many tokens each of some texts has by itself, special tokens aside."""
_MARK = r"[,;:，、；：،؛—–]"
_ATOMS = (
    re.compile(rf"(?:(?!{_MARK}).)*{_MARK}*\s*", re.DOTALL),
    re.compile(r"\S*\s*"),
)
"""Clauses and words, each with the white space behind."""


class Part(NamedTuple):
    """A part of a text, and how many tokens it has."""

    text: str
    num_tokens: int


def cut_to_fit(texts: Sequence[str], room: int, measure: Measure) -> list[list[Part]]:
    """Return each text in parts of at most ``room`` tokens; joined, they are the text.

    Raises:
        InputTooLong: there is no room for a single character.
    """
    return [
        [Part(text, num_tokens)] if num_tokens <= room else _cut(text, room, measure, 0)
        for text, num_tokens in zip(texts, measure(texts), strict=True)
    ]


def packed(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Return the numbers of what has these lengths in groups, in order: each as long as can be, but not above ``room``.

    What is longer by itself is a group by itself.
    """
    groups: list[list[int]] = []
    left = -1
    for index, length in enumerate(lengths):
        left -= length
        if left < 0 or not groups:
            groups.append([])
            left = room - length
        groups[-1].append(index)
    return groups


def _cut(text: str, room: int, measure: Measure, level: int) -> list[Part]:
    """Cut a text that does not fit: at the marks of this level, and what still does not fit at those of the next."""
    atoms = _atoms(text, room, level)
    texts = ["".join(atoms[index] for index in group) for group in packed(measure(atoms), room)]
    found: list[Part] = []
    for part in map(Part, texts, measure(texts)):  # of joined atoms the tokens need not be the sum
        if part.num_tokens <= room:
            found.append(part)
        elif len(part.text) == 1:
            raise InputTooLong(f"A single character has {part.num_tokens} tokens, and there is room for {room}.")
        else:
            found += _cut(part.text, room, measure, level + 1)
    return found


def _atoms(text: str, room: int, level: int) -> list[str]:
    if level < len(_ATOMS):
        return [atom for atom in _ATOMS[level].findall(text) if atom]
    # A character has about a token at most. Where it has more, blocks become shorter by half, level by level.
    size = max(1, min(room, len(text) - 1) >> (level - len(_ATOMS)))
    return [text[start : start + size] for start in range(0, len(text), size)]
