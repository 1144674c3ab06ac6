"""Summaries of what a model can't read at once; this one keeps the first letter of each word."""

import pytest

from tests.unit.seq2seq.fakes import Desk, EchoCache, echo
from workers.seq2seq.pipelines.map_reduce import estimate_chunk_summary_tokens

SENTENCE = "The cat sat on the mat. "


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


def test_a_text_that_fits_is_read_whole(desk: Desk) -> None:
    cache = EchoCache(initials=True)
    output = desk.run(echo("summarize", cache), "One two. Three!", stream=True)
    assert output == {"summary_text": "OTT", "finish_reason": "eos_token"}
    assert desk.told_text() == "OTT"
    assert (desk.usage.chunks, desk.usage.tokens_in, desk.usage.tokens_used, len(cache.read)) == (1, 16, 16, 1)


def test_a_long_one_is_summarised_in_chunks_and_then_again(desk: Desk) -> None:
    cache = EchoCache(initials=True)
    output = desk.run(echo("summarize", cache), SENTENCE * 6, stream=True)
    # Three chunks of two sentences each; then their summaries, of which the first letters are left.
    assert output["summary_text"] == desk.told_text() == "TTT"
    assert desk.usage.chunks == len(cache.read) == 4
    assert desk.usage.tokens_in == len(SENTENCE * 6) + 1
    assert desk.usage.tokens_used == sum(map(len, cache.read))


def test_only_the_last_summary_is_told(desk: Desk) -> None:
    desk.run(echo("summarize", EchoCache(initials=True)), [SENTENCE * 6, "Hello you."], stream=True)
    assert desk.told_text(0) == "TTT" and desk.told_text(1) == "HY"


def test_a_hundred_pages_become_one_short_text(desk: Desk) -> None:
    cache = EchoCache(initials=True)
    output = desk.run(echo("summarize", cache), SENTENCE * 500)
    assert 0 < len(output["summary_text"]) < 60
    assert desk.usage.chunks == len(cache.read) > 250


def test_several_summaries_are_given_of_the_last_stage_only(desk: Desk) -> None:
    parameters = {"num_beams": 3, "num_return_sequences": 2}
    output = desk.run(
        echo("summarize", EchoCache(initials=True)), SENTENCE * 6, stream=True, generate_parameters=parameters
    )
    assert output["summary_text"] == "TTT" and len(output["sequences"]) == 2
    for number, sequence in enumerate(output["sequences"]):
        assert desk.told_text(sequence=number) == sequence["summary_text"]


def test_summaries_that_do_not_become_shorter_are_the_answer_together(desk: Desk) -> None:
    model = echo("summarize")
    output = desk.run(model, SENTENCE * 6, stream=True, generate_parameters={"max_new_tokens": 300})
    assert output["summary_text"] == (SENTENCE * 6).strip().upper()
    assert desk.told == [], "what was not told comes with the job's end"


def test_summaries_of_chunks_are_half_as_long_at_most(desk: Desk) -> None:
    output = desk.run(echo("summarize"), SENTENCE * 30)
    assert output["finish_reason"] == "eos_token" and len(output["summary_text"]) <= 64
    assert estimate_chunk_summary_tokens(500) == 250 and estimate_chunk_summary_tokens(1) == 16


def test_a_model_that_says_nothing_gives_an_empty_summary(desk: Desk) -> None:
    output = desk.run(echo("summarize", EchoCache(initials=True)), "1 2 3. " * 40)
    assert output == {"summary_text": "", "finish_reason": "eos_token"}


def test_prompts_are_read_with_each_chunk(desk: Desk) -> None:
    cache = EchoCache(initials=True)
    model = echo("summarize", cache, prompts={"summarization": "sum: "})
    desk.run(model, SENTENCE * 6)
    start = [model.tokenizer.token_to_id(text) for text in "sum: "]
    assert len(cache.read) > 3 and all(source[:5] == start for source in cache.read)


@pytest.mark.parametrize("truncate", ["right", "left"])
def test_a_text_can_be_cut_instead(desk: Desk, truncate: str) -> None:
    output = desk.run(echo("summarize", EchoCache(initials=True)), "One two. " * 10, truncate=truncate)
    assert set(output["summary_text"]) <= set("OT") and desk.usage.truncated_items == 1
