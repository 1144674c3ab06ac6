"""Answers to chunks, told in order however they come."""

import random

import pytest

from contracts.generation import FinishReason, TextDelta
from tests.unit.decoding.fakes import request
from workers.seq2seq.chunking.joining import Manner, Weaver, woven
from workers.seq2seq.chunking.plan import Plan

PLAN = Plan(("a", "b", "c"), ("<", "-", "", ">"))
ANSWERS: list[tuple[str, FinishReason]] = [("  one & 1 ", "eos_token"), (" two .", "length"), ("", "eos_token")]
MANNERS = [
    Manner(), Manner(strips=True), Manner(clean_up=True), Manner(strips=True, escapes=True, spaces=True, clean_up=True)
]  # fmt: skip


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("seed", range(20))
def test_what_is_told_is_the_text_in_whatever_order_answers_grow(manner: Manner, seed: int) -> None:
    draw = random.Random(seed)
    weaver = Weaver({0: PLAN}, manner, {0: 5})
    left = [[(character, None) for character in text] + [("", reason)] for text, reason in ANSWERS]
    told: list[TextDelta] = []
    while any(left):
        chunk = draw.choice([number for number, pieces in enumerate(left) if pieces])
        text, reason = left[chunk].pop(0)
        told += weaver.transform(request([0], 9, part=5 + chunk), TextDelta(text=text, finish_reason=reason))  # type: ignore[arg-type]
    expected = woven(PLAN, manner, ANSWERS)
    assert "".join(piece.text for piece in told) == expected.text
    assert [piece.finish_reason for piece in told if piece.finish_reason] == [expected.finish_reason] == ["length"]
    assert told[-1].finish_reason and all(piece.text for piece in told[:-1])


@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        (Manner(), "<  one & 1 - two .>"),
        (Manner(strips=True), "<one & 1-two .>"),
        (Manner(strips=True, clean_up=True), "<one & 1-two.>"),
        (Manner(strips=True, escapes=True), "<one &amp; 1-two .>"),
    ],
)
def test_how_answers_take_the_place_of_chunks(manner: Manner, expected: str) -> None:
    assert woven(PLAN, manner, ANSWERS).text == expected


def test_nothing_is_told_behind_a_stop_text() -> None:
    weaver = Weaver({0: PLAN}, Manner())
    assert weaver.transform(request([0], 9, part=1), TextDelta(text="two", finish_reason="eos_token")) == []
    assert weaver.transform(request([0], 9), TextDelta(text="one", finish_reason="stop_sequence")) == [
        TextDelta(text="<one", finish_reason="stop_sequence")
    ]
    assert weaver.transform(request([0], 9, part=2), TextDelta(text="x", finish_reason="eos_token")) == []


def test_sequences_are_woven_apart() -> None:
    weaver = Weaver({0: PLAN, 3: Plan(("x",), ("", ""))}, Manner())
    for sequence in (0, 1):
        told = weaver.transform(request([0], 9, input=3), TextDelta(input=3, sequence=sequence, text=f"{sequence}"))
        assert told == [TextDelta(input=3, sequence=sequence, text=f"{sequence}")]
