"""Sampling weights equal plain implementations of their definitions; tests/architectures compares transformers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.decoding.request import Sampling
from workers.runtime.decoding.sampling.cumulative_sums import index_exceeding, index_reaching
from workers.runtime.decoding.sampling.warpers import ids_of_largest, sampling_weights

fixed = settings(derandomize=True, deadline=None, max_examples=150)

Array = np.ndarray


def logits_of(seed: int, num: int, spread: float = 3.0) -> Array:
    return (np.random.default_rng(seed).standard_normal(num) * spread).astype(np.float32)


def probabilities(logits: Array, **sampling: float) -> Array:
    """Return the probability of each token of the vocabulary."""
    ids, weights = sampling_weights(logits, Sampling(do_sample=True, **sampling))  # type: ignore[arg-type]
    found = np.zeros(len(logits))
    found[slice(None) if ids is None else ids] = weights
    assert found.sum() > 0
    return found / found.sum()


def softmax(logits: Array) -> Array:
    weights = np.exp(logits.astype(np.float64) - float(logits.max()))
    return weights / weights.sum()


def kept_of(logits: Array, **sampling: float) -> set[int]:
    return set(np.flatnonzero(probabilities(logits, **sampling)).tolist())


sizes = st.sampled_from([1, 2, 3, 50, 700, 5000])
seeds = st.integers(0, 10**6)


@given(seeds, sizes, st.sampled_from([0.1, 0.7, 1.0, 3.0]))
@fixed
def test_temperature_divides_logits(seed: int, num: int, temperature: float) -> None:
    logits = logits_of(seed, num)
    np.testing.assert_allclose(
        probabilities(logits, temperature=temperature), softmax(logits.astype(np.float64) / temperature), atol=1e-12
    )


@given(seeds, sizes, st.sampled_from([1, 2, 40, 200, 4999, 10**6]))
@fixed
def test_top_k_keeps_the_likeliest(seed: int, num: int, top_k: int) -> None:
    logits = logits_of(seed, num)
    assert kept_of(logits, top_k=top_k) == set(np.argsort(-logits, kind="stable")[:top_k].tolist())


def test_top_k_keeps_all_tokens_as_likely_as_the_last() -> None:
    logits = np.array([1, 3, 2, 2, 2, 0], np.float32)
    assert kept_of(logits, top_k=2) == {1, 2, 3, 4}
    assert kept_of(np.zeros(300, np.float32), top_k=1) == set(range(300))
    assert ids_of_largest(logits, 1).tolist() == [1]


@given(seeds, sizes, st.sampled_from([0.0, 0.01, 0.3, 0.9, 0.999, 0.9999999]), st.sampled_from([0.1, 1.0, 5.0]))
@fixed
def test_top_p_keeps_the_fewest_tokens_with_that_probability(seed: int, num: int, top_p: float, spread: float) -> None:
    logits = logits_of(seed, num, spread)
    ranking = np.argsort(-logits, kind="stable")
    before = np.concatenate(([0.0], np.cumsum(softmax(logits)[ranking])[:-1]))
    certain, possible = before < top_p - 1e-12, before < top_p + 1e-12
    certain[0] = possible[0] = True
    kept = kept_of(logits, top_p=top_p)
    assert set(ranking[certain].tolist()) <= kept <= set(ranking[possible].tolist())


def test_top_p_keeps_equally_likely_tokens_by_their_ids() -> None:
    assert kept_of(np.zeros(4, np.float32), top_p=0.5) == {0, 1}
    assert kept_of(np.array([0, 1, 1, 1, 1], np.float32), top_p=0.0) == {1}
    assert kept_of(np.zeros(5000, np.float32), top_p=0.0) == {0}
    assert kept_of(np.array([5, 0, 0, 0], np.float32), top_p=0.985) == {0, 1}


@given(seeds, sizes, st.sampled_from([0.001, 0.1, 0.9, 1.0]))
@fixed
def test_min_p_is_relative_to_the_likeliest_token(seed: int, num: int, min_p: float) -> None:
    logits = logits_of(seed, num)
    expected = softmax(logits)
    expected[expected < min_p * expected.max()] = 0
    np.testing.assert_allclose(probabilities(logits, min_p=min_p), expected / expected.sum(), atol=1e-12)


@given(seeds, st.sampled_from([1, 2, 50, 700]), st.sampled_from([1e-9, 0.2, 0.9, 0.999]))
@fixed
def test_typical_p_keeps_tokens_nearest_to_the_entropy(seed: int, num: int, typical_p: float) -> None:
    logits = logits_of(seed, num)
    expected = softmax(logits)
    distances = np.abs(-np.log(expected) + (expected * np.log(expected)).sum())
    ranking = np.argsort(distances, kind="stable")
    num_kept = 1 + int((np.cumsum(expected[ranking])[:-1] < typical_p).sum())
    assert kept_of(logits, typical_p=typical_p) == set(ranking[:num_kept].tolist())


@given(seeds, sizes, st.data())
@fixed
def test_at_least_one_token_is_always_left(seed: int, num: int, data: st.DataObject) -> None:
    logits = logits_of(seed, num)
    values = st.sampled_from([-np.inf, -1e38, 1e38, 3.4e38, 0.0])
    for token in data.draw(st.lists(st.integers(0, num - 1), max_size=6)):
        logits[token] = data.draw(values)
    if logits.max() == -np.inf:
        logits[0] = 0.0
    kept = kept_of(
        logits,
        temperature=data.draw(st.sampled_from([5e-324, 1e-30, 1.0, 100.0])),
        top_k=data.draw(st.sampled_from([0, 1, 5])),
        top_p=data.draw(st.sampled_from([0.0, 0.5, 1.0])),
        min_p=data.draw(st.sampled_from([0.0, 0.5, 1.0])),
        typical_p=data.draw(st.sampled_from([1e-9, 0.5, 1.0])),
    )
    assert all(logits[token] > -np.inf for token in kept)


@given(st.lists(st.sampled_from([0.0, 0.0, 1e-300, 0.1, 1.0, 1e9]), min_size=1, max_size=1200), st.floats(0, 1))
@fixed
def test_searching_block_by_block_equals_searching_the_whole_cumulative_sum(weights: list[float], share: float) -> None:
    array = np.array([*weights, 1.0])
    cumulative = np.cumsum(array)
    slack = 1e-9 * cumulative[-1]
    index = index_exceeding(array, min(share, 1 - 2**-53))
    assert array[index] > 0
    assert cumulative[index] >= share * cumulative[-1] - slack
    assert not index or cumulative[index - 1] <= share * cumulative[-1] + slack
    index = index_reaching(array, share * float(cumulative[-1]))
    assert cumulative[index] >= share * cumulative[-1] - slack
    assert not index or cumulative[index - 1] < share * cumulative[-1] + slack


@pytest.mark.parametrize("num", [3, 256, 257, 600])
def test_searches_at_both_ends_of_the_cumulative_sum_skip_zero_weights(num: int) -> None:
    ones = np.ones(num)
    assert index_exceeding(ones, 0.0) == index_reaching(ones, 0.0) == 0
    assert index_exceeding(ones, 1 - 2**-53) == index_reaching(ones, num + 1.0) == num - 1
    ones[0] = ones[-1] = 0
    assert index_exceeding(ones, 0.0) == 1
    assert index_exceeding(ones, 1 - 2**-53) == num - 2
