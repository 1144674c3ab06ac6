"""Prices: what is known of a request without a tokenizer, times what a model costs."""

from typing import Any

import msgspec
import pytest

from contracts.price.demand import Demand, text_size
from contracts.price.estimate import least_s_of, price_of, work_of
from contracts.price.profile import NUM_LIMITS, ModelProfile, limit_size, merged
from contracts.tasks import TASKS
from tests.contracts.test_tasks import CHAT, PAIR, REQUESTS

PROFILE = ModelProfile(
    request_s=0.001, row_s=0.01, token_in_s=0.0001, token_out_s=0.005, tokens_per_char=0.25, tokens_per_byte=0.5
)


def demand_of(task: str, inputs: Any, **parameters: Any) -> Demand:
    """Return the demand of a request, decoded as gateway and worker do."""
    body = msgspec.json.encode({"inputs": inputs, "parameters": parameters})
    request: Any = msgspec.json.decode(body, type=REQUESTS[task])
    return TASKS[task].demand(request.inputs, request.parameters)


@pytest.mark.parametrize(
    ("text", "num_chars", "num_bytes"),
    [("plain", 5, 0), ("", 0, 0), ("für", 2, 2), ("你好!", 1, 6), ("\U0001f600", 0, 4), ("a\ud800", 2, 0)],
)
def test_other_characters_than_ascii_count_as_their_bytes(text: str, num_chars: int, num_bytes: int) -> None:
    assert text_size([text]) == (num_chars, num_bytes)
    assert text_size([text, text]) == (2 * num_chars, 2 * num_bytes)


@pytest.mark.parametrize("task", TASKS)
def test_a_demand_counts_inputs_and_characters(task: str) -> None:
    one, many = demand_of(task, "hello"), demand_of(task, ["hello", "für"])
    assert (one.num_rows, one.num_chars, one.num_bytes) == (1, 5, 0)
    assert (many.num_rows, many.num_chars, many.num_bytes) == (2, 7, 2)


def test_all_texts_of_an_input_count() -> None:
    assert demand_of("classify", [PAIR, "abc"]).num_chars == 5
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": "four"}]}]}
    assert demand_of("generate", [CHAT, parts]).num_chars == len("Who is there?") + 4


def test_sequences_read_and_write_and_beams_only_write() -> None:
    assert demand_of("embed", "a").num_sequences == 0
    sampled = demand_of("generate", "a", n=2, best_of=4)
    assert (sampled.num_reads, sampled.num_sequences) == (4, 4)
    beams = demand_of("translate", "a", generate_parameters={"num_beams": 4, "num_return_sequences": 2})
    assert (beams.num_reads, beams.num_sequences) == (1, 4)
    samples = demand_of("translate", "a", generate_parameters={"do_sample": True, "num_return_sequences": 3})
    assert (samples.num_reads, samples.num_sequences) == (3, 3)
    assert demand_of("translate", "a").num_sequences is None, "the model's own number of beams"


def test_sequences_are_written_at_once_and_their_tokens_one_after_another() -> None:
    profile = msgspec.structs.replace(PROFILE, step_s=0.02)
    one = demand_of("generate", "a", max_new_tokens=100)
    many = demand_of("generate", ["a"] * 5, max_new_tokens=100, n=4, do_sample=True)
    assert least_s_of(profile, one) == least_s_of(profile, many) == pytest.approx(2.0)
    assert least_s_of(profile, demand_of("embed", "a" * 1000)) == 0.0


def test_limits_are_those_that_the_worker_applies() -> None:
    assert demand_of("generate", "a", max_new_tokens=7).max_new_tokens == 7
    lengths = {"max_new_tokens": 7, "max_length": 9, "min_new_tokens": 0, "min_length": 5}
    assert demand_of("summarize", "a", generate_parameters=lengths).max_new_tokens == 7
    assert demand_of("summarize", "a", generate_parameters=lengths).min_new_tokens == 0
    assert demand_of("summarize", "a", generate_parameters={"max_length": 9}).max_new_tokens == 9
    assert demand_of("summarize", "a").max_new_tokens is None


@pytest.mark.parametrize(("policy", "truncates", "is_split"), [("chunk", False, True), ("left", True, False)])
def test_long_inputs_are_split_cut_or_refused(policy: str, truncates: bool, is_split: bool) -> None:
    demand = demand_of("denoise", "a", truncate=policy)
    assert (demand.truncates, demand.is_split) == (truncates, is_split)
    assert not demand_of("embed", "a").truncates and demand_of("embed", "a", truncate="right").truncates


def test_what_is_read_has_its_price() -> None:
    demand = Demand(num_rows=2, num_chars=400, num_bytes=20)
    assert price_of(PROFILE, demand) == pytest.approx(0.001 + 2 * 0.01 + 110 * 0.0001)
    cut = msgspec.structs.replace(PROFILE, max_tokens=10)
    for one in (demand, msgspec.structs.replace(demand, truncates=True)):
        assert price_of(cut, one) == pytest.approx(0.001 + 2 * 0.01 + 20 * 0.0001)
    in_pieces = msgspec.structs.replace(demand, is_split=True)
    assert price_of(cut, in_pieces) == pytest.approx(0.001 + 2 * 0.01 + 110 * 0.0001)


@pytest.mark.parametrize("num_chars", [100_000, 8_000_000])
def test_a_text_that_is_refused_for_its_length_costs_no_more_than_one_that_is_read(num_chars: int) -> None:
    profile = ModelProfile(row_s=0.001, token_in_s=1e-5, token_pair_s=1e-8, max_tokens=512)
    longest = price_of(profile, Demand(num_rows=1, num_chars=1700))
    assert price_of(profile, Demand(num_rows=1, num_chars=num_chars)) <= 1.01 * longest < 0.02


def test_what_is_written_has_the_price_of_what_is_really_written() -> None:
    written = [1.0] * NUM_LIMITS
    written[limit_size(200)] = 0.1
    profile = msgspec.structs.replace(PROFILE, written=written)
    demand = Demand(num_rows=3, num_reads=2, num_sequences=2, max_new_tokens=200)
    read_s = 0.001 + 6 * 0.01
    assert price_of(PROFILE, demand) == pytest.approx(read_s + 3 * 2 * 200 * 0.005), "nothing is known yet"
    assert price_of(profile, demand) == pytest.approx(read_s + 3 * 2 * 20 * 0.005)
    at_least = msgspec.structs.replace(demand, min_new_tokens=50)
    assert price_of(profile, at_least) == pytest.approx(read_s + 3 * 2 * 50 * 0.005)


def test_a_context_leaves_only_so_much_room_for_an_answer() -> None:
    profile = msgspec.structs.replace(PROFILE, max_tokens=100)
    demand = Demand(num_rows=1, num_chars=320, num_sequences=1, max_new_tokens=256)
    assert price_of(profile, demand) == pytest.approx(0.001 + 0.01 + 80 * 0.0001 + 20 * 0.005)


def test_an_answer_that_follows_its_input_is_priced_by_the_pieces_of_it() -> None:
    profile = msgspec.structs.replace(PROFILE, tokens_per_piece=20, written_per_token_in=1.5, num_beams=4)
    demand = Demand(num_rows=1, num_chars=400, num_sequences=None, is_split=True, follows_input=True)
    read_s = 0.001 + 5 * 0.01 + 100 * 0.0001
    assert price_of(profile, demand) == pytest.approx(read_s + 4 * 150 * 0.005)
    limited = msgspec.structs.replace(demand, num_sequences=1, max_new_tokens=10)
    assert price_of(profile, limited) == pytest.approx(read_s + 5 * 10 * 0.005), "the limit is one of each piece"


def test_exact_counts_make_price_and_work_equal() -> None:
    demand = Demand(num_rows=2, num_chars=400, num_reads=3, num_sequences=3, max_new_tokens=64)
    work = work_of(PROFILE, num_rows=6, tokens_in=300, tokens_out=2 * 3 * 64)
    assert price_of(PROFILE, demand) == pytest.approx(work)


def test_pairs_of_tokens_of_a_row_have_their_price() -> None:
    profile = msgspec.structs.replace(PROFILE, token_pair_s=1e-6)
    one, many = Demand(num_rows=1, num_chars=4000), Demand(num_rows=10, num_chars=4000)
    assert price_of(profile, one) - price_of(PROFILE, one) == pytest.approx(1.0)
    assert price_of(profile, many) - price_of(PROFILE, many) == pytest.approx(0.1)
    work = work_of(profile, num_rows=10, tokens_in=1000, token_pairs=10 * 100**2, tokens_out=0)
    assert price_of(profile, many) == pytest.approx(work)


def test_limits_of_one_size_share_a_place() -> None:
    assert [limit_size(limit) for limit in (1, 2, 3, 4, 5, 256, 257)] == [0, 1, 2, 2, 3, 8, 9]
    assert limit_size(10**9) == NUM_LIMITS - 1


def test_workers_that_have_seen_more_count_more_and_the_unmeasured_not_at_all() -> None:
    assert merged([]) is None and merged([ModelProfile(request_s=1.0)]) is None
    few, many = ModelProfile(row_s=1.0, tokens_per_char=0.2), ModelProfile(row_s=2.0, tokens_per_char=0.6, num_jobs=3)
    found = merged([few, ModelProfile(), many])
    assert found is not None
    assert (found.row_s, found.num_jobs) == (pytest.approx(1.8), 3)
    assert found.tokens_per_char == pytest.approx(0.52)
