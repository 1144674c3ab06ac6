"""Splitting texts of megabytes: in linear time, without keeping Python's lock, and only until the job is stopped."""

import time
import tracemalloc
from collections.abc import Callable, Sequence

import pytest

from contracts.errors import InvalidRequest
from tests.support.lock_gaps import hold_s, limit_s
from workers.seq2seq.chunking.markup import unescaped
from workers.seq2seq.chunking.overlapping import overlapping_chunks
from workers.seq2seq.chunking.plan import MAX_CHUNKS, plan_html_texts, plan_sentences
from workers.seq2seq.pipelines.edits import edits_between

SIZE = 1_000_000
UNITS = ["a", "!?", "\n", " \n", "a,", "word ", " ", "\U0001f600", "\u3002", "e.g. ", "1. ", "\u2028"]
MANY = ["!?", ". ", "a\n", "a,"]
"""Units of texts that used to make one long call."""
MARKUP = ["<", "<a>", "&#01", "&lt;", "<b>.</b>"]


def quarter_tokens(texts: Sequence[str]) -> list[int]:
    return [len(text) // 4 for text in texts]


def plan(text: str, *, html: bool = False) -> object:
    try:
        return plan_sentences([text], html=html, max_tokens=100, count_tokens=quarter_tokens)
    except InvalidRequest as error:
        return error


def overlapping(text: str) -> object:
    return overlapping_chunks(text, 100, quarter_tokens)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("split", [plan, overlapping])
def test_splitting_takes_linear_time(unit: str, split: Callable[[str], object]) -> None:
    def cost(size: int) -> float:
        started = time.process_time()
        split(unit * (size // len(unit)))
        return time.process_time() - started

    def least_cost(size: int) -> float:  # a machine with other things to do adds to some of them
        return min(cost(size) for _ in range(3))

    cost(1000)
    assert least_cost(200_000) < max(0.5, 40 * least_cost(20_000))


@pytest.mark.parametrize("unit", MANY)
@pytest.mark.parametrize("split", [plan, overlapping])
def test_splitting_does_not_keep_the_lock(unit: str, split: Callable[[str], object]) -> None:
    text = unit * (2 * SIZE // len(unit))
    limit = limit_s()
    assert hold_s(lambda: split(text), limit) < limit


@pytest.mark.parametrize("unit", MARKUP)
def test_html_does_not_keep_the_lock(unit: str) -> None:
    document = unit * (SIZE // len(unit))
    limit = limit_s()
    assert hold_s(lambda: plan(document, html=True), limit) < limit
    assert hold_s(lambda: unescaped(4 * document), limit) < limit


def test_too_many_chunks_are_refused_before_the_rest_is_split() -> None:
    counted = []

    def count(texts: Sequence[str]) -> list[int]:
        counted.extend(texts)
        return quarter_tokens(texts)

    for html in (False, True):
        with pytest.raises(InvalidRequest, match=f"more than {MAX_CHUNKS} chunks"):
            plan_sentences(["One. "] * (MAX_CHUNKS + 1), html=html, max_tokens=100, count_tokens=count)
    assert not counted
    with pytest.raises(InvalidRequest, match=f"more than {MAX_CHUNKS} chunks"):
        plan_html_texts(["<b>One</b>" * (MAX_CHUNKS + 1)])
    plan_sentences(["One. " * MAX_CHUNKS], html=False, max_tokens=100, count_tokens=quarter_tokens)


@pytest.mark.parametrize("html", [False, True])
def test_the_rest_of_one_text_with_too_many_chunks_is_not_split(html: bool) -> None:
    """8 MB of one text between two tags took 9 s and 590 MB before it was refused, and could not be stopped."""
    text = "a\n" * SIZE
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match=f"more than {MAX_CHUNKS} chunks"):
            plan_sentences([text], html=html, max_tokens=100, count_tokens=quarter_tokens)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_many_short_sentences_take_little_memory() -> None:
    text = "a\n" * SIZE
    tracemalloc.start()
    try:
        chunks = overlapping_chunks(text, 100, quarter_tokens)
        assert tracemalloc.get_traced_memory()[1] < 24 * len(text), "it was 138 bytes for each character"
    finally:
        tracemalloc.stop()
    assert max(quarter_tokens(chunks)) <= 100 and sum(map(len, chunks)) > 0.9 * len(text)


def test_splitting_stops_when_the_check_raises() -> None:
    def stop() -> None:
        raise TimeoutError

    for html in (False, True):
        with pytest.raises(TimeoutError):
            plan_sentences(["a"], html=html, max_tokens=100, count_tokens=quarter_tokens, check=stop)
    with pytest.raises(TimeoutError):
        plan_html_texts(["a"], stop)


@pytest.mark.parametrize("unit", [". ", "e.g. ", "1.", "a. ", "a\n"])
def test_splitting_checks_often_because_each_check_gives_way_to_other_threads(unit: str) -> None:
    text = unit * 4000
    checks: list[None] = []
    plan_sentences([text], html=False, max_tokens=100, count_tokens=quarter_tokens, check=lambda: checks.append(None))
    num_checks_of_plan = len(checks)
    overlapping_chunks(text, 100, quarter_tokens, lambda: checks.append(None))
    assert min(num_checks_of_plan, len(checks) - num_checks_of_plan) > len(text) / 500


def test_a_long_input_that_was_truncated_is_one_edit() -> None:
    started = time.process_time()
    (edit,) = edits_between("!?" * SIZE, "short", 3)
    assert (edit.offset, edit.length, edit.replacements) == (3, 2 * SIZE, ["short"])
    assert time.process_time() - started < limit_s()
