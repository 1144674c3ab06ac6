"""Splits texts into parts that fit into the encoder: at clauses, else between words, else between characters.

Clauses and words are not tokenized one by one. Where to split is estimated from the text's characters per token, and
the estimate is checked. So each character is tokenized a few times at most, and the time is linear for any text.
"""

# ruff: noqa: RUF001  (punctuation of many languages)

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from contracts.errors import InputTooLong

CountTokens = Callable[[Sequence[str]], list[int]]
"""Returns how many tokens each text has, without special tokens."""
_CLAUSE_END = r",;:，、；：،؛—–"
_UNITS = (
    re.compile(rf"[^{_CLAUSE_END}]*[{_CLAUSE_END}]*\s*"),
    re.compile(r"\S*\s*"),
)
"""Clauses and words, each with the white space after it."""
_FILL = 0.9
"""Share of the maximum that the estimate fills. Tokens are not spread evenly, and a part that is too long is split once
more."""


class Part(NamedTuple):
    """A part of a text."""

    text: str
    num_tokens: int


def split_to_fit(texts: Sequence[str], max_tokens: int, count_tokens: CountTokens) -> list[list[Part]]:
    """Return each text as parts of at most ``max_tokens`` tokens; concatenated, they are the text.

    Raises:
        InputTooLong: a single character has more tokens.
    """
    return [
        [part] if part.num_tokens <= max_tokens else _split(part, max_tokens, count_tokens, 0)
        for part in map(Part, texts, count_tokens(texts))
    ]


def pack(sizes: Sequence[float], max_size: float) -> list[list[int]]:
    """Return the indices of ``sizes`` in consecutive groups, each as large as possible but at most ``max_size``.

    What is larger by itself becomes a group of its own.
    """
    groups: list[list[int]] = []
    remaining = -1.0
    for index, size in enumerate(sizes):
        remaining -= size
        if remaining < 0 or not groups:
            groups.append([])
            remaining = max_size - size
        groups[-1].append(index)
    return groups


def _split(whole: Part, max_tokens: int, count_tokens: CountTokens, level: int) -> list[Part]:
    """Split a text that does not fit into units of this level; without any, into those of the next level."""
    if len(whole.text) == 1:
        raise InputTooLong(f"A single character has {whole.num_tokens} tokens; a chunk may have {max_tokens}.")
    tokens_per_character = whole.num_tokens / len(whole.text)
    texts = _grouped_units(whole.text, _FILL * max_tokens / tokens_per_character, level)
    # One long word, or a text without commas: this level cannot split it.
    if len(texts) == 1:
        return _split(whole, max_tokens, count_tokens, level + 1)
    parts: list[Part] = []
    for part in map(Part, texts, count_tokens(texts)):
        parts += [part] if part.num_tokens <= max_tokens else _split(part, max_tokens, count_tokens, level)
    return parts


def _grouped_units(text: str, num_characters: float, level: int) -> list[str]:
    """Return a text as groups of units, of about that many characters each; one group if it is a single unit."""
    if level == len(_UNITS):
        # At most half of the text, so that each split makes parts shorter, whatever the estimate says.
        size = max(1, min(int(num_characters), len(text) // 2))
        return [text[start : start + size] for start in range(0, len(text), size)]
    # Not by `findall`, for the reason that `split_sentences` gives.
    units = [match[0] for match in _UNITS[level].finditer(text) if match[0]]
    groups = pack([len(unit) for unit in units], num_characters)
    return ["".join(units[index] for index in group) for group in groups]
