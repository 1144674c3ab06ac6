"""What was corrected in a text: places of it, and what stands there now. By words, as an editor would mark it."""

import re
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

from contracts.seq2seq import Edit

_WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['\u2019][^\W_]+)*|\s+|.", re.DOTALL)
"""Words with their apostrophes, white space, and every other character by itself; so each of Chinese and Japanese."""
_MAX_PAIRS = 200_000
"""Pairs of equal words that the comparison looks at; its time grows with them. Beyond, all that differs is one edit."""


def edits_of(before: str, after: str, offset: int = 0) -> list[Edit]:
    """Return what makes ``after`` of ``before``, in order; ``offset`` is where ``before`` begins in the input.

    Inputs are compared chunk by chunk, so that the time for long ones grows with their length only.
    """
    if before == after:
        return []
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
    """Yield the stretches that differ, as in ``old[a:b]`` becomes ``new[c:d]``."""
    head = _num_alike(old, new)
    tail = _num_alike(old[head:][::-1], new[head:][::-1])
    middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    counts = Counter(new_middle)
    if sum(counts[word] for word in middle) > _MAX_PAIRS:
        yield head, len(old) - tail, head, len(new) - tail
        return
    matcher = SequenceMatcher(None, middle, new_middle, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        if end - start == new_end - new_start:  # word by word
            for step in range(end - start):
                yield head + start + step, head + start + step + 1, head + new_start + step, head + new_start + step + 1
        else:
            yield head + start, head + end, head + new_start, head + new_end


def _num_alike(one: list[str], other: list[str]) -> int:
    return next(
        (index for index, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )
