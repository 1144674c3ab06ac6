"""What the jobs of a model teach: tokens of characters and bytes, of pieces, and how much is written."""

from typing import Any

import pytest

from contracts.price.demand import Demand
from contracts.price.estimate import price_of, reading_of, work_of, written_of
from contracts.price.profile import ModelProfile, limit_size, merged
from workers.runtime.price.counts import AttemptCounts
from workers.runtime.price.texts import Texts

PROFILE = ModelProfile(
    request_s=0.001, row_s=0.01, token_in_s=0.001, token_out_s=0.01, max_tokens=512, special_tokens=2
)


def counts(rows: int, tokens_in: int, tokens_out: int = 0, /, **demand: Any) -> AttemptCounts:
    return AttemptCounts(rows, tokens_in, tokens_out, demand=Demand(**demand))


def learned(*jobs: AttemptCounts, times: int = 200, profile: ModelProfile = PROFILE) -> ModelProfile:
    texts = Texts(profile)
    for number in range(times):
        for job in jobs:
            texts.see("acme", job)
        if number % 50 == 0:
            texts.learned()
    return texts.learned()


def test_characters_of_ascii_and_others_are_learned_apart() -> None:
    english = counts(1, 102, num_rows=1, num_chars=400)
    emoji = counts(1, 402, num_rows=1, num_bytes=400)
    both = learned(english, emoji)
    assert both.tokens_per_char == pytest.approx(0.25, rel=0.05)
    assert both.tokens_per_byte == pytest.approx(1.0, rel=0.05)
    assert learned(english).tokens_per_char == pytest.approx(both.tokens_per_char, rel=0.02), "nobody pays for others"


def test_of_a_mixed_text_the_rest_is_that_of_the_other_characters() -> None:
    english = counts(1, 102, num_rows=1, num_chars=400)
    german = counts(1, 132, num_rows=1, num_chars=400, num_bytes=40)
    texts = Texts(PROFILE)
    for _ in range(300):
        texts.see("a", english)
    texts.learned()
    for _ in range(300):
        texts.see("a", german)
    assert texts.learned().tokens_per_byte == pytest.approx(0.75, rel=0.15)


def test_special_tokens_are_not_taken_for_those_of_characters() -> None:
    short = learned(counts(1, 3, num_rows=1, num_chars=4), times=3000)
    assert short.tokens_per_char == pytest.approx(0.25, rel=0.1)
    demand = Demand(num_rows=10, num_chars=40)
    assert reading_of(short, demand).num_tokens == pytest.approx(30, rel=0.1)


def test_a_text_that_was_cut_teaches_nothing() -> None:
    cut = learned(counts(1, 512, num_rows=1, num_chars=100_000, truncates=True))
    assert cut.tokens_per_char == PROFILE.tokens_per_char


def test_one_long_text_counts_no_more_than_some_short_ones() -> None:
    short, long = counts(1, 102, num_rows=1, num_chars=400), counts(1, 10**6, num_rows=1, num_chars=10**6)
    texts = Texts(PROFILE)
    for _ in range(500):
        texts.see("acme", short)
    before = texts.learned().tokens_per_char
    texts.see("acme", long)
    assert texts.learned().tokens_per_char < 1.5 * before


def test_what_is_read_several_times_is_counted_once() -> None:
    sampled = counts(4, 4 * 102, num_rows=1, num_chars=400, num_reads=4)
    assert learned(sampled).tokens_per_char == pytest.approx(0.25, rel=0.05)


def test_how_much_of_a_limit_is_written_is_learned_by_its_size() -> None:
    job = {"num_rows": 2, "num_reads": 3, "num_sequences": 3, "num_chars": 40}
    texts = learned(counts(6, 6 * 7, 6 * 20, max_new_tokens=200, **job))
    assert texts.written[limit_size(200)] == pytest.approx(0.1, rel=0.1)
    assert texts.written[limit_size(3)] == 1.0, "shorter limits are reached, as far as is known"
    beyond = texts.written[limit_size(400)] * 400
    assert 20 * 0.9 <= beyond <= 40, "with a higher limit, answers are longer only if they ended by the lower one"


def test_an_answer_that_always_reaches_its_limit_does_so_with_a_higher_one() -> None:
    texts = learned(counts(1, 12, 200, num_rows=1, num_chars=40, num_sequences=1, max_new_tokens=200))
    assert texts.written == pytest.approx([1.0] * len(texts.written))


def test_answers_that_follow_their_inputs_are_learned_by_these() -> None:
    job = counts(5, 110, 4 * 220, num_rows=1, num_chars=400, is_split=True, follows_input=True, num_sequences=4)
    texts = learned(job)
    assert texts.tokens_per_piece == pytest.approx(20, rel=0.05)
    assert texts.written_per_token_in == pytest.approx(2.0, rel=0.1)
    longer = Demand(num_rows=1, num_chars=4000, is_split=True, follows_input=True, num_sequences=1)
    reading = reading_of(texts, longer)
    assert reading.num_rows == pytest.approx(50, rel=0.1)
    assert reading.num_rows * written_of(texts, longer, reading) == pytest.approx(2200, rel=0.1)


def test_answers_that_end_by_a_limit_teach_nothing_of_what_follows_from_inputs() -> None:
    cut = counts(1, 102, 10, num_rows=1, num_chars=400, follows_input=True, num_sequences=1, max_new_tokens=10)
    assert learned(cut).written_per_token_in == PROFILE.written_per_token_in


def test_a_job_that_was_seen_often_has_the_price_of_its_work() -> None:
    job = counts(2, 204, 2 * 31, num_rows=2, num_chars=800, num_sequences=1, max_new_tokens=64)
    assert job.demand is not None
    work = work_of(PROFILE, num_rows=2, tokens_in=204, tokens_out=62)
    assert price_of(learned(job, times=1000), job.demand) == pytest.approx(work, rel=0.05)
    assert price_of(PROFILE, job.demand) > 1.5 * work


def test_a_job_of_which_nothing_was_read_teaches_nothing() -> None:
    assert learned(counts(0, 0, num_rows=1, num_chars=9), AttemptCounts(1, 100)) == PROFILE


def test_workers_that_start_again_and_again_do_not_seem_to_have_seen_ever_more() -> None:
    profile = PROFILE
    for _ in range(5):
        profile = learned(counts(1, 102, num_rows=1, num_chars=400), times=900, profile=profile)
        profile = merged([profile, profile, profile]) or profile
    assert profile.num_jobs <= 3000
