"""Cut texts so that each part has no more tokens than there is room for: at clauses, else words, else characters.

Marks and words are not tokenized one by one: where to cut is guessed from how many characters a token has in this text,
and the guess is checked. So each character is tokenized a few times only, and time is linear whatever the text.
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
_CAUTION = 0.9
"""The share of the room that is filled by guess."""


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
        [part] if part.num_tokens <= room else _cut(part, room, measure, 0) for part in map(Part, texts, measure(texts))
    ]


def packed(lengths: Sequence[float], room: float) -> list[list[int]]:
    """Return the numbers of what has these lengths in groups, in order: each as long as can be, but not above ``room``.

    What is longer by itself is a group by itself.
    """
    groups: list[list[int]] = []
    left = -1.0
    for index, length in enumerate(lengths):
        left -= length
        if left < 0 or not groups:
            groups.append([])
            left = room - length
        groups[-1].append(index)
    return groups


def _cut(whole: Part, room: int, measure: Measure, level: int) -> list[Part]:
    """Cut a text that does not fit: at the marks of this level, and where there are none at those of the next."""
    if len(whole.text) == 1:
        raise InputTooLong(f"A single character has {whole.num_tokens} tokens, and there is room for {room}.")
    tokens_per_character = whole.num_tokens / len(whole.text)
    texts = _grouped(whole.text, _CAUTION * room / tokens_per_character, level)
    if len(texts) == 1:
        return _cut(whole, room, measure, level + 1)
    found: list[Part] = []
    for part in map(Part, texts, measure(texts)):
        found += [part] if part.num_tokens <= room else _cut(part, room, measure, level)
    return found


def _grouped(text: str, num_characters: float, level: int) -> list[str]:
    """Return a text in parts of about so many characters, cut at the marks of a level; one part if there are none."""
    if level == len(_ATOMS):
        size = max(1, min(int(num_characters), len(text) // 2))
        return [text[start : start + size] for start in range(0, len(text), size)]
    atoms = [atom for atom in _ATOMS[level].findall(text) if atom]
    groups = packed([len(atom) for atom in atoms], num_characters)
    return ["".join(atoms[index] for index in group) for group in groups]
