"""The edits between a text and its correction, word by word, as an editor would mark them."""

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

from contracts.seq2seq import Edit

_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['\u2019][^\W_]+)*|\s+|.", re.DOTALL)
"""Words with their apostrophes, runs of white space, and single characters of everything else. Chinese and Japanese
have no spaces between words, so each of their characters counts as one."""
_MAX_PAIRS = 200_000
"""Most pairs of equal words that `SequenceMatcher` compares, because its time grows with them: a chunk that repeats one
word 10,000 times has 10^8. Above it, everything that differs is one edit."""

_MAX_CHARACTERS = 100_000
"""Longest text that is compared word by word. A chunk is shorter, unless it is a whole input that was truncated."""


def edits_between(before: str, after: str, offset: int = 0) -> list[Edit]:
    """Return the edits that turn ``before`` into ``after``, in order.

    Args:
        before: a part of the input.
        after: its correction.
        offset: where ``before`` begins in the input, in code points.
    """
    if before == after:
        return []
    if max(len(before), len(after)) > _MAX_CHARACTERS:
        return [Edit(offset, len(before), [after])]
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    edits = []
    position, last = offset, 0
    for start, end, new_start, new_end in _changes(old, new):
        position += sum(map(len, old[last:start]))
        length = sum(map(len, old[start:end]))
        edits.append(Edit(position, length, ["".join(new[new_start:new_end])]))
        position, last = position + length, end
    return edits


def _changes(old: list[str], new: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(a, b, c, d)`` for each change: ``old[a:b]`` becomes ``new[c:d]``."""
    # Most corrections change one word in the middle, and equal ends need no matcher.
    head = _common_prefix(old, new)
    tail = _common_prefix(old[head:][::-1], new[head:][::-1])
    middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    counts = Counter(new_middle)
    if sum(counts[word] for word in middle) > _MAX_PAIRS:
        yield head, len(old) - tail, head, len(new) - tail
        return
    # autojunk would ignore frequent words in long texts, that is all spaces.
    matcher = SequenceMatcher(None, middle, new_middle, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        if end - start == new_end - new_start:
            # As many words as before: one edit for each, so that a client can accept them one by one.
            for step in range(end - start):
                yield head + start + step, head + start + step + 1, head + new_start + step, head + new_start + step + 1
        else:
            yield head + start, head + end, head + new_start, head + new_end


def _common_prefix(one: list[str], other: list[str]) -> int:
    """Return how many words both begin with."""
    return next(
        (index for index, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )
