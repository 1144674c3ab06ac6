"""Answers to chunks, told in order however they come."""

import random

import pytest

from contracts.generation import TextDelta
from tests.unit.decoding.fakes import request
from workers.seq2seq.chunking.joining import ChunkAnswer, PostprocessOptions, StreamJoiner, join_answers
from workers.seq2seq.chunking.plan import ChunkPlan

PLAN = ChunkPlan(("a", "b", "c"), ("<", "-", "", ">"))
ANSWERS = [
    ChunkAnswer("  one & 1 ", "eos_token"),
    ChunkAnswer(" two .", "length"),
    ChunkAnswer("", "eos_token"),
]
OPTIONS = [
    PostprocessOptions(),
    PostprocessOptions(strip=True),
    PostprocessOptions(clean_up_spaces=True),
    PostprocessOptions(strip=True, escape_html=True, add_missing_spaces=True, clean_up_spaces=True),
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", range(20))
def test_what_is_told_is_the_text_in_whatever_order_answers_grow(options: PostprocessOptions, seed: int) -> None:
    draw = random.Random(seed)
    joiner = StreamJoiner({0: PLAN}, options, {0: 5})
    left = [[(character, None) for character in text] + [("", reason)] for text, reason in ANSWERS]
    told: list[TextDelta] = []
    while any(left):
        chunk = draw.choice([number for number, pieces in enumerate(left) if pieces])
        text, reason = left[chunk].pop(0)
        told += joiner.transform(request([0], 9, part=5 + chunk), TextDelta(text=text, finish_reason=reason))  # type: ignore[arg-type]
    expected = join_answers(PLAN, options, ANSWERS)
    assert "".join(piece.text for piece in told) == expected.text
    assert [piece.finish_reason for piece in told if piece.finish_reason] == [expected.finish_reason] == ["length"]
    assert told[-1].finish_reason and all(piece.text for piece in told[:-1])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PostprocessOptions(), "<  one & 1 - two .>"),
        (PostprocessOptions(strip=True), "<one & 1-two .>"),
        (PostprocessOptions(strip=True, clean_up_spaces=True), "<one & 1-two.>"),
        (PostprocessOptions(strip=True, escape_html=True), "<one &amp; 1-two .>"),
    ],
)
def test_how_answers_take_the_place_of_chunks(options: PostprocessOptions, expected: str) -> None:
    assert join_answers(PLAN, options, ANSWERS).text == expected


def test_nothing_is_told_behind_a_stop_text() -> None:
    joiner = StreamJoiner({0: PLAN}, PostprocessOptions())
    assert joiner.transform(request([0], 9, part=1), TextDelta(text="two", finish_reason="eos_token")) == []
    assert joiner.transform(request([0], 9), TextDelta(text="one", finish_reason="stop_sequence")) == [
        TextDelta(text="<one", finish_reason="stop_sequence")
    ]
    assert joiner.transform(request([0], 9, part=2), TextDelta(text="x", finish_reason="eos_token")) == []


def test_sequences_are_woven_apart() -> None:
    joiner = StreamJoiner({0: PLAN, 3: ChunkPlan(("x",), ("", ""))}, PostprocessOptions())
    for sequence in (0, 1):
        told = joiner.transform(request([0], 9, input=3), TextDelta(input=3, sequence=sequence, text=f"{sequence}"))
        assert told == [TextDelta(input=3, sequence=sequence, text=f"{sequence}")]
