"""Summaries of texts that are too long for a model. The model here keeps the first letter of each word."""

import pytest

from tests.unit.seq2seq.fakes import EchoCache, JobRunner, echo
from workers.seq2seq.pipelines.map_reduce import estimate_chunk_summary_tokens

SENTENCE = "The cat sat on the mat. "


@pytest.fixture(scope="module")
def runner() -> JobRunner:
    return JobRunner()


def test_a_text_that_fits_is_summarised_in_one_round(runner: JobRunner) -> None:
    cache = EchoCache(initials=True)
    output = runner.run(echo("summarize", cache), "One two. Three!", stream=True)
    assert output == {"summary_text": "OTT", "finish_reason": "eos_token"}
    assert runner.streamed_text() == "OTT"
    assert (runner.usage.chunks, runner.usage.tokens_in, runner.usage.tokens_used, len(cache.encoded)) == (1, 16, 16, 1)


def test_a_long_text_is_summarised_in_two_rounds(runner: JobRunner) -> None:
    cache = EchoCache(initials=True)
    output = runner.run(echo("summarize", cache), SENTENCE * 6, stream=True)
    # Three chunks of two sentences each, then the first letters of their summaries.
    assert output["summary_text"] == runner.streamed_text() == "TTT"
    assert runner.usage.chunks == len(cache.encoded) == 4
    assert runner.usage.tokens_in == len(SENTENCE * 6) + 1
    assert runner.usage.tokens_used == sum(map(len, cache.encoded))


def test_only_the_last_round_is_streamed(runner: JobRunner) -> None:
    runner.run(echo("summarize", EchoCache(initials=True)), [SENTENCE * 6, "Hello you."], stream=True)
    assert runner.streamed_text(0) == "TTT" and runner.streamed_text(1) == "HY"


def test_a_hundred_pages_become_one_short_text(runner: JobRunner) -> None:
    cache = EchoCache(initials=True)
    output = runner.run(echo("summarize", cache), SENTENCE * 500)
    assert 0 < len(output["summary_text"]) < 60
    assert runner.usage.chunks == len(cache.encoded) > 250


def test_only_the_last_round_returns_several_sequences(runner: JobRunner) -> None:
    parameters = {"num_beams": 3, "num_return_sequences": 2}
    output = runner.run(
        echo("summarize", EchoCache(initials=True)), SENTENCE * 6, stream=True, generate_parameters=parameters
    )
    assert output["summary_text"] == "TTT" and len(output["sequences"]) == 2
    for number, sequence in enumerate(output["sequences"]):
        assert runner.streamed_text(sequence=number) == sequence["summary_text"]


def test_summaries_that_do_not_become_shorter_are_the_answer(runner: JobRunner) -> None:
    model = echo("summarize")
    output = runner.run(model, SENTENCE * 6, stream=True, generate_parameters={"max_new_tokens": 300})
    assert output["summary_text"] == (SENTENCE * 6).strip().upper()
    assert runner.deltas == [], "this text is only in the final output"


def test_summaries_of_chunks_are_at_most_half_as_long(runner: JobRunner) -> None:
    output = runner.run(echo("summarize"), SENTENCE * 30)
    assert output["finish_reason"] == "eos_token" and len(output["summary_text"]) <= 64
    assert estimate_chunk_summary_tokens(500) == 250 and estimate_chunk_summary_tokens(1) == 16


def test_a_model_without_output_gives_an_empty_summary(runner: JobRunner) -> None:
    output = runner.run(echo("summarize", EchoCache(initials=True)), "1 2 3. " * 40)
    assert output == {"summary_text": "", "finish_reason": "eos_token"}


def test_each_chunk_is_encoded_with_the_prompt(runner: JobRunner) -> None:
    cache = EchoCache(initials=True)
    model = echo("summarize", cache, prompts={"summarization": "sum: "})
    runner.run(model, SENTENCE * 6)
    start = [model.tokenizer.token_to_id(text) for text in "sum: "]
    assert len(cache.encoded) > 3 and all(source[:5] == start for source in cache.encoded)


@pytest.mark.parametrize("truncate", ["right", "left"])
def test_a_long_text_can_be_truncated_instead(runner: JobRunner, truncate: str) -> None:
    output = runner.run(echo("summarize", EchoCache(initials=True)), "One two. " * 10, truncate=truncate)
    assert set(output["summary_text"]) <= set("OT") and runner.usage.truncated_items == 1
