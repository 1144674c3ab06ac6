"""Answers to chunks are joined and streamed in order, in whatever order they arrive."""

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
def test_streamed_deltas_add_up_to_the_text_in_whatever_order_chunks_arrive(
    options: PostprocessOptions, seed: int
) -> None:
    draw = random.Random(seed)
    joiner = StreamJoiner({0: PLAN}, options, {0: 5})
    pending = [[(character, None) for character in text] + [("", reason)] for text, reason in ANSWERS]
    deltas: list[TextDelta] = []
    while any(pending):
        chunk = draw.choice([number for number, remaining in enumerate(pending) if remaining])
        text, reason = pending[chunk].pop(0)
        deltas += joiner.transform(request([0], 9, part=5 + chunk), TextDelta(text=text, finish_reason=reason))  # type: ignore[arg-type]
    expected = join_answers(PLAN, options, ANSWERS)
    assert "".join(delta.text for delta in deltas) == expected.text
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == [expected.finish_reason] == ["length"]
    assert deltas[-1].finish_reason and all(delta.text for delta in deltas[:-1])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PostprocessOptions(), "<  one & 1 - two .>"),
        (PostprocessOptions(strip=True), "<one & 1-two .>"),
        (PostprocessOptions(strip=True, clean_up_spaces=True), "<one & 1-two.>"),
        (PostprocessOptions(strip=True, escape_html=True), "<one &amp; 1-two .>"),
    ],
)
def test_joined_answers_are_postprocessed_as_requested(options: PostprocessOptions, expected: str) -> None:
    assert join_answers(PLAN, options, ANSWERS).text == expected


def test_nothing_is_streamed_after_a_stop_string() -> None:
    joiner = StreamJoiner({0: PLAN}, PostprocessOptions())
    assert joiner.transform(request([0], 9, part=1), TextDelta(text="two", finish_reason="eos_token")) == []
    assert joiner.transform(request([0], 9), TextDelta(text="one", finish_reason="stop_sequence")) == [
        TextDelta(text="<one", finish_reason="stop_sequence")
    ]
    assert joiner.transform(request([0], 9, part=2), TextDelta(text="x", finish_reason="eos_token")) == []


def test_sequences_are_joined_separately() -> None:
    joiner = StreamJoiner({0: PLAN, 3: ChunkPlan(("x",), ("", ""))}, PostprocessOptions())
    for sequence in (0, 1):
        deltas = joiner.transform(request([0], 9, input=3), TextDelta(input=3, sequence=sequence, text=f"{sequence}"))
        assert deltas == [TextDelta(input=3, sequence=sequence, text=f"{sequence}")]
