"""Penalties change the logits of tokens that occurred before: of which tokens, and by how much."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.decoding.request import Sampling
from workers.runtime.decoding.sampling.penalties import Penalties

Array = np.ndarray
tokens = st.lists(st.integers(0, 9), max_size=40)
LARGEST = np.finfo(np.float32).max


def penalized(logits: Array, prompt: list[int], answer: list[int], **sampling: float) -> Array:
    penalties = Penalties(Sampling(**sampling), np.array(prompt, np.int64))  # type: ignore[arg-type]
    for token in answer:
        penalties.apply(logits)
        penalties.add(token)
    return penalties.apply(logits)


@given(tokens, tokens, st.sampled_from([0.5, 1.0, 1.3]), st.sampled_from([0.0, 0.7, -2.0]), st.sampled_from([0.0, 1.5]))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_penalties_match_their_definitions(
    prompt: list[int], answer: list[int], repetition: float, frequency: float, presence: float
) -> None:
    logits = np.linspace(-2, 2, 10).astype(np.float32)
    found = penalized(
        logits, prompt, answer, repetition_penalty=repetition, frequency_penalty=frequency, presence_penalty=presence
    )
    for token, logit in enumerate(logits.tolist()):
        factor = (repetition if logit < 0 else 1 / repetition) if token in prompt + answer else 1
        subtracted = frequency * answer.count(token) + presence * (token in answer)
        assert found[token] == pytest.approx(logit * factor - subtracted, abs=1e-6)


def test_without_penalties_the_logits_themselves_are_returned() -> None:
    logits = np.zeros(10, np.float32)
    assert penalized(logits, [1, 2], [3]) is logits
    assert penalized(logits, [1, 2], [], frequency_penalty=1.0) is logits
    assert penalized(logits, [1, 2], [3], frequency_penalty=1.0) is not logits


def test_huge_logits_stay_finite_and_forbidden_tokens_stay_forbidden() -> None:
    logits = np.array([LARGEST, -LARGEST, -np.inf, 1], np.float32)
    for penalty in (1e-300, 1e-38, 0.01, 100.0):
        found = penalized(logits, [0, 1, 2], [], repetition_penalty=penalty)
        assert np.isfinite(found[[0, 1]]).all()
        assert found[2] == -np.inf
        assert found[3] == 1
    assert penalized(logits, [], [2], frequency_penalty=-2.0)[2] == -np.inf


def test_all_tokens_of_a_long_output_are_counted() -> None:
    logits = np.zeros(5000, np.float32)
    answer = list(range(0, 5000, 3)) * 2
    found = penalized(logits, [4], answer, frequency_penalty=0.5, presence_penalty=0.25, repetition_penalty=2.0)
    np.testing.assert_array_equal(found[::3], np.float32(-1.25))
    assert not found[1::3].any()
