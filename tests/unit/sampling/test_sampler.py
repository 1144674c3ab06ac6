"""Greedy choice, and sampling with random numbers that depend only on the seed and the step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.decoding.request import Constraints, GenerationRequest, Sampling
from workers.runtime.decoding.sampling.sampler import Sampler

fixed = settings(derandomize=True, deadline=None, max_examples=150)
PROMPT = np.array([1, 2, 2], np.int64)
Array = np.ndarray


def logits(*values: float) -> Array:
    return np.array(values, np.float32)


def sampler_of(sampling: Sampling, prompt_ids: Array = PROMPT) -> Sampler:
    return Sampler(GenerationRequest(prompt_ids=prompt_ids, max_new_tokens=10, sampling=sampling))


def suppressing(*token_ids: int) -> Constraints:
    return Constraints(suppress_tokens=token_ids)


def chosen(sampling: Sampling, rows: list[Array]) -> list[int]:
    sampler = sampler_of(sampling)
    return [sampler.sample(row).token_id for row in rows]


def random_rows(seed: int, num: int = 20, vocabulary: int = 500) -> list[Array]:
    return list(np.random.default_rng(seed).standard_normal((num, vocabulary)).astype(np.float32))


def test_greedy_search_chooses_the_likeliest_token_and_the_first_of_equal_ones() -> None:
    assert chosen(Sampling(), [logits(1, 3, 2), logits(2, 2, -np.inf), logits(-1e38, -3e38, -1e38)]) == [1, 0, 0]


def test_logits_are_not_changed() -> None:
    row = random_rows(0)[0]
    before = row.copy()
    penalties = {"repetition_penalty": 2.0, "frequency_penalty": 1.0}
    sampling = Sampling(do_sample=True, temperature=0.5, top_p=0.9, constraints=suppressing(3), **penalties)  # type: ignore[arg-type]
    sampler = sampler_of(sampling)
    for _ in range(3):
        sampler.sample(row, logprobs=True, top_n=5)
    np.testing.assert_array_equal(row, before)


def test_the_same_seed_gives_the_same_tokens() -> None:
    rows = random_rows(1)
    sampling = Sampling(do_sample=True, seed=7)
    first = chosen(sampling, rows)
    assert chosen(sampling, rows) == first
    assert chosen(Sampling(do_sample=True, seed=8), rows) != first
    assert chosen(Sampling(do_sample=True, seed=7, stream_number=1), rows) != first
    assert chosen(Sampling(do_sample=True, seed=-1), rows) == chosen(Sampling(do_sample=True, seed=2**64 - 1), rows)
    assert chosen(Sampling(do_sample=True, seed=-(2**63)), rows) != chosen(Sampling(do_sample=True, seed=0), rows)


def test_a_seed_gives_the_same_tokens_on_every_machine() -> None:
    rows = [np.linspace(-3, 3, 1000).astype(np.float32)] * 8
    assert chosen(Sampling(do_sample=True, seed=42), rows) == [967, 724, 976, 845, 834, 861, 729, 543]
    cut = Sampling(do_sample=True, seed=42, top_k=50, top_p=0.9, temperature=0.7)
    assert chosen(cut, rows) == [993, 965, 995, 975, 974, 977, 965, 959]


def test_a_sample_depends_on_how_many_tokens_came_before_but_not_on_which() -> None:
    last = random_rows(2)[0]
    sampling = Sampling(do_sample=True, seed=3)
    once = chosen(sampling, [*random_rows(3, 5), last])
    again = chosen(sampling, [*[logits(0, 1, -np.inf)] * 5, last])
    assert once[-1] == again[-1]
    assert chosen(sampling, [*random_rows(3, 4), last])[-1] != once[-1]


def test_frequencies_match_the_probabilities() -> None:
    """Pearson's chi-square test: with 4 degrees of freedom, 0.999 of all experiments stay below 18.5."""
    row = logits(0, 1, 2, 0.5, -np.inf, 1.5)
    counts = np.bincount(chosen(Sampling(do_sample=True, seed=5), [row] * 20_000), minlength=6)
    expected = np.exp(row) / np.exp(row).sum() * 20_000
    assert counts[4] == 0
    possible = expected > 0
    assert ((counts - expected)[possible] ** 2 / expected[possible]).sum() < 18.5


@pytest.mark.parametrize("temperature", [5e-324, 1e-30, 1e-3])
def test_a_tiny_temperature_is_greedy(temperature: float) -> None:
    rows = random_rows(4)
    assert chosen(Sampling(do_sample=True, temperature=temperature), rows) == chosen(Sampling(), rows)


def test_a_high_temperature_makes_all_tokens_equally_likely() -> None:
    tokens = chosen(Sampling(do_sample=True, temperature=100.0), [logits(3, -3, 1)] * 300)
    assert min(np.bincount(tokens, minlength=3)) > 60


def test_top_p_of_zero_is_greedy() -> None:
    rows = random_rows(5, vocabulary=3000)
    assert chosen(Sampling(do_sample=True, top_p=0.0, temperature=100.0), rows) == chosen(Sampling(), rows)


def test_suppressed_tokens_are_never_sampled() -> None:
    row = logits(9, 8, 0, 0)
    assert chosen(Sampling(constraints=suppressing(0, 1)), [row]) == [2]
    assert set(chosen(Sampling(do_sample=True, constraints=suppressing(0, 1)), [row] * 50)) == {2, 3}


@pytest.mark.parametrize("do_sample", [False, True])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (logits(1, np.nan, 2), "NaN"),
        (logits(np.inf, np.nan), "NaN"),
        (logits(1, np.inf, 2), r"\+inf"),
        (logits(-np.inf, -np.inf), "No token can be chosen"),
        (logits(3, -np.inf), "No token can be chosen"),
    ],
)
def test_logits_that_allow_no_choice_are_refused(row: Array, message: str, do_sample: bool) -> None:
    sampler = sampler_of(Sampling(do_sample=do_sample, repetition_penalty=1.5, constraints=suppressing(0)), PROMPT[:1])
    with pytest.raises(RuntimeError, match=message):
        sampler.sample(row, logprobs=True, top_n=2)


def test_nan_is_detected_even_for_a_suppressed_token() -> None:
    with pytest.raises(RuntimeError, match="NaN"):
        sampler_of(Sampling(constraints=suppressing(0))).sample(logits(np.nan, 1, 2))


@given(st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=400), st.integers(0, 20))
@fixed
def test_log_probabilities_are_those_of_the_raw_logits(values: list[float], top_n: int) -> None:
    row = logits(*values)
    wide = row.astype(np.float64)
    expected = wide - wide.max() - np.log(np.exp(wide - wide.max()).sum())
    sampling = Sampling(do_sample=True, temperature=0.1, top_k=3, repetition_penalty=3.0)
    choice = sampler_of(sampling, np.zeros(1, np.int64)).sample(row, logprobs=True, top_n=top_n)
    assert choice.logprob == pytest.approx(expected[choice.token_id], abs=2e-6)
    ranking = np.argsort(-row, kind="stable")[:top_n].tolist()
    assert [token for token, _ in choice.top] == ranking
    assert [logprob for _, logprob in choice.top] == pytest.approx(expected[ranking].tolist(), abs=2e-6)


def test_log_probabilities_of_huge_logits_and_of_impossible_tokens() -> None:
    choice = sampler_of(Sampling()).sample(logits(1e38, 1e38, -1e38, -np.inf), logprobs=True, top_n=20)
    assert choice.logprob == pytest.approx(np.log(0.5))
    assert [token for token, _ in choice.top] == [0, 1, 2]
    assert all(np.isfinite(logprob) for _, logprob in choice.top)


def test_log_probabilities_are_nan_unless_requested() -> None:
    choice = sampler_of(Sampling()).sample(logits(1, 2), logprobs=False, top_n=5)
    assert (choice.token_id, choice.top, np.isnan(choice.logprob)) == (1, [], True)
