"""No text keeps Python's lock for 0.2 s, whatever tokenizer reads it: other jobs must get on meanwhile."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.lock_gaps import hold_s, limit_s, longest_hold_s
from tests.support.tokenizer_kinds import KINDS
from workers.runtime.tokenizing.reading import TextReader

SIZE = 1_000_000
TEXTS = {
    "letters": "a" * SIZE,
    "punctuation": "!?" * (SIZE // 2),
    "emoji": "\U0001f600" * (SIZE // 4),
    "marks": "\u0301" * SIZE,
    "spaces": " " * SIZE,
    "Chinese": "\u6587" * (SIZE // 3),
}
OURS = ("marian", "m2m100-bpe")
"""Ours is ten times slower than the library, but runs in Python, where the lock is given away by itself."""


def read(name: str, text: str) -> Callable[[], object]:
    reader = TextReader(KINDS[name]())
    if name in OURS:
        text = text[: SIZE // 10]
    # A list, since the reader reads only what it is asked for.
    return lambda: [*reader.read([text], 512, "left")]


def test_the_measure_sees_a_call_that_keeps_the_lock() -> None:
    tokenizer = KINDS["bert"]()
    encode = partial(tokenizer.encode, TEXTS["punctuation"])
    assert longest_hold_s(encode) > limit_s()
    assert hold_s(lambda: tokenizer.encode_batch_fast([TEXTS["punctuation"]]), limit_s()) < limit_s()


@pytest.mark.parametrize("name", ["bert", "gpt-2", "t5", *OURS])
def test_no_text_keeps_the_lock(name: str) -> None:
    limit = limit_s()
    held = {what: hold_s(read(name, text), limit) for what, text in TEXTS.items()}
    assert max(held.values()) < limit, held
