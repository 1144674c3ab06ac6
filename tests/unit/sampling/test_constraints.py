"""Forbidden and forced tokens: each constraint by itself, combined with others, and as tokens are added."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.decoding.request import Constraints, GenerationRequest, Sampling
from workers.runtime.decoding.sampling.logits_processors import LogitsProcessors

NUM = 8
LOGITS = np.linspace(-2, 2, NUM).astype(np.float32)
ALL = set(range(NUM))
fixed = settings(derandomize=True, deadline=None, max_examples=200)
texts = st.lists(st.integers(0, 2), min_size=1, max_size=12)


def request_of(
    prompt: list[int], *, eos: tuple[int, ...] = (), max_new_tokens: int = 50, **constraints: Any
) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=np.array(prompt, np.int64),
        max_new_tokens=max_new_tokens,
        sampling=Sampling(constraints=Constraints(**constraints)),
        eos_token_ids=frozenset(eos),
    )


def processed(request: GenerationRequest, answer: list[int]) -> np.ndarray:
    processors = LogitsProcessors(request)
    for token in answer:
        processors.add(token)
    return processors.apply(LOGITS)


def forbidden(request: GenerationRequest, answer: list[int]) -> set[int]:
    """Return the tokens that are forbidden now; the logits of the others must be unchanged."""
    logits = processed(request, answer)
    impossible = np.isneginf(logits)
    np.testing.assert_array_equal(logits[~impossible], LOGITS[~impossible])
    return set(np.flatnonzero(impossible).tolist())


def test_without_constraints_the_logits_themselves_are_returned() -> None:
    assert processed(request_of([1]), [2, 3]) is LOGITS
    assert LogitsProcessors(request_of([1])).idle
    far = request_of([1], eos=(2,), forced_eos_token_ids=(2,), begin_suppress_tokens=(3,), no_repeat_ngram_size=3)
    assert not LogitsProcessors(far).idle
    assert processed(far, [4]) is LOGITS


def test_given_logits_are_not_changed() -> None:
    before = LOGITS.copy()
    for constraints in ({"suppress_tokens": (1,)}, {"forced_bos_token_id": 2}, {"no_repeat_ngram_size": 1}):
        assert processed(request_of([1], **constraints), []) is not LOGITS
        np.testing.assert_array_equal(LOGITS, before)


def test_no_ngram_repeats() -> None:
    assert forbidden(request_of([1, 2, 3, 1], no_repeat_ngram_size=2), []) == {2}
    assert forbidden(request_of([1, 2, 1], no_repeat_ngram_size=2), [3, 1]) == {2, 3}
    assert forbidden(request_of([1, 2], no_repeat_ngram_size=3), [3, 1, 2]) == {3}
    assert forbidden(request_of([5, 6], no_repeat_ngram_size=1), [6, 7]) == {5, 6, 7}
    assert forbidden(request_of([4], no_repeat_ngram_size=2), [4]) == {4}
    assert forbidden(request_of([4], no_repeat_ngram_size=9), [4] * 7) == set()
    assert forbidden(request_of([4], no_repeat_ngram_size=9), [4] * 8) == {4}


def test_an_ngram_that_is_longer_than_any_sequence_costs_nothing() -> None:
    """A hundred requests that asked for a million tokens kept the inference thread, and every client, for 58 s."""
    request = request_of([4, 4], no_repeat_ngram_size=1_000_000)
    tracemalloc.start()
    try:
        assert forbidden(request, [4] * 10) == set()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_cost_of_ngrams_does_not_grow_with_their_length() -> None:
    """Half of a prompt is the worst length: 8,192 tokens took 129 MB and 0.3 s of the inference thread."""
    half = [int(token_id) for token_id in np.random.default_rng(1).integers(0, len(LOGITS), 4096)]
    request = request_of([*half, *half], no_repeat_ngram_size=len(half))
    tracemalloc.start()
    try:
        assert forbidden(request, []) == {half[0]}
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@given(texts, texts, st.integers(1, 4))
@fixed
def test_repeated_ngrams_match_their_definition(prompt: list[int], answer: list[int], size: int) -> None:
    text = prompt + answer
    grams = [text[start : start + size] for start in range(len(text) - size + 1)]
    last = text[len(text) - size + 1 :]
    expected = {gram[-1] for gram in grams if len(last) == size - 1 and gram[:-1] == last}
    assert forbidden(request_of(prompt, no_repeat_ngram_size=size), answer) == expected


def test_the_last_token_of_a_bad_word_is_forbidden() -> None:
    words = ((5,), (1, 2), (3, 1, 4), (1, 6), (7, 7))
    assert forbidden(request_of([0], bad_words=words), []) == {5}
    assert forbidden(request_of([0], bad_words=words), [1]) == {5, 2, 6}
    assert forbidden(request_of([0], bad_words=words), [3, 1]) == {5, 2, 6, 4}
    assert forbidden(request_of([0, 3], bad_words=words), [1, 0]) == {5}
    assert forbidden(request_of([0], bad_words=words), [7]) == {5, 7}


def test_a_bad_word_that_is_an_end_token_is_ignored_but_not_one_that_contains_it() -> None:
    assert forbidden(request_of([0], eos=(5, 6), bad_words=((5,), (6,), (1, 5))), [1]) == {5}


def test_a_bad_word_as_long_as_the_sequence_is_allowed_as_in_transformers() -> None:
    assert forbidden(request_of([1], bad_words=((1, 2),)), []) == set()
    assert forbidden(request_of([1, 1], bad_words=((1, 2),)), []) == {2}


@given(texts, texts, st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=4), st.integers(0, 4))
@fixed
def test_completions_of_bad_words_match_their_definition(
    prompt: list[int], answer: list[int], words: list[list[int]], size: int
) -> None:
    text = prompt + answer
    expected = {
        word[-1]
        for word in words
        if len(word) == 1 or (len(word) <= len(text) and text[len(text) - len(word) + 1 :] == word[:-1])
    }
    bad_words = tuple(map(tuple, words))
    repeated = forbidden(request_of(prompt, no_repeat_ngram_size=size), answer)
    together = request_of(prompt, no_repeat_ngram_size=size, bad_words=bad_words)
    assert forbidden(together, answer) == expected | repeated


def test_a_sequence_below_its_minimum_length_can_not_end() -> None:
    eos = (3, 5, 900)
    assert forbidden(request_of([0, 1], eos=eos, min_length=4), [2]) == {3, 5}
    assert forbidden(request_of([0, 1], eos=eos, min_length=4), [2, 2]) == set()
    assert forbidden(request_of([0, 1], eos=eos, min_new_tokens=2), [2]) == {3, 5}
    assert forbidden(request_of([0, 1], eos=eos, min_new_tokens=2), [2, 2]) == set()
    assert forbidden(request_of([0, 1], eos=eos, min_new_tokens=1, min_length=40), [2]) == set()
    assert forbidden(request_of([0, 1], min_length=40), [2]) == set()


def test_the_first_token_is_forced_after_a_prefix_of_one_token() -> None:
    request = request_of([0], forced_bos_token_id=6)
    assert processed(request, []).tolist() == [-np.inf] * 6 + [0, -np.inf]
    assert forbidden(request, [6]) == set()
    assert forbidden(request_of([0, 1], forced_bos_token_id=6), []) == set()


def test_the_last_token_is_forced() -> None:
    request = request_of([0, 1], max_new_tokens=3, forced_eos_token_ids=(2, 4))
    assert forbidden(request, [5]) == set()
    logits = processed(request, [5, 5])
    assert np.flatnonzero(np.isneginf(logits)).tolist() == [0, 1, 3, 5, 6, 7]
    assert logits[[2, 4]].tolist() == [0, 0]


def test_a_forced_last_token_wins_over_a_forced_first_one() -> None:
    request = request_of([0], max_new_tokens=1, forced_bos_token_id=6, forced_eos_token_ids=(2,))
    assert processed(request, [])[2] == 0
    assert np.isneginf(processed(request, [])).sum() == NUM - 1


def test_suppressed_tokens_are_forbidden_always_or_only_as_the_first_token() -> None:
    assert forbidden(request_of([0], suppress_tokens=(1, 7)), []) == {1, 7}
    assert forbidden(request_of([0], suppress_tokens=(1, 7)), [2, 3]) == {1, 7}
    first = request_of([0, 3], suppress_tokens=(7,), begin_suppress_tokens=(1, 2), forced_bos_token_id=5)
    assert forbidden(first, []) == {1, 2, 7}
    assert forbidden(first, [4]) == {7}


def test_after_a_forced_first_token_the_second_one_is_the_beginning() -> None:
    request = request_of([0], begin_suppress_tokens=(1, 5), forced_bos_token_id=5)
    assert processed(request, [])[5] == 0
    assert forbidden(request, [5]) == {1, 5}
    assert forbidden(request, [5, 2]) == set()


def test_a_forced_token_overrides_everything_but_suppression() -> None:
    rules = {"bad_words": ((2,),), "no_repeat_ngram_size": 1, "min_length": 40}
    request = request_of([2, 2], eos=(2,), max_new_tokens=1, forced_eos_token_ids=(2,), **rules)
    assert processed(request, [])[2] == 0
    suppressed = request_of([2, 2], max_new_tokens=1, forced_eos_token_ids=(2,), suppress_tokens=(2,))
    assert np.isneginf(processed(suppressed, [])).all()


@given(texts, st.lists(st.tuples(texts, st.booleans()), min_size=1, max_size=4), st.integers(0, 3), st.booleans())
@fixed
def test_forks_are_independent(
    prompt: list[int], ways: list[tuple[list[int], bool]], size: int, penalized: bool
) -> None:
    """A fork with more tokens equals a new processor with the same tokens, whatever was forked before."""
    request = request_of(prompt, eos=(0,), no_repeat_ngram_size=size, bad_words=((1, 0), (2,)), min_new_tokens=4)
    if penalized:
        request = replace(request, sampling=replace(request.sampling, repetition_penalty=1.5, frequency_penalty=0.3))
    forks = [(LogitsProcessors(request), list[int]())]
    for answer, from_the_last in ways:
        processors, before = forks[-1 if from_the_last else 0]
        fork = processors.fork()
        for token in answer:
            fork.add(token)
        forks.append((fork, before + answer))
    for processors, answer in forks:
        np.testing.assert_array_equal(processors.apply(LOGITS), processed(request, answer))


@pytest.mark.parametrize("size", [1, 3])
def test_a_long_prompt_is_processed_quickly(size: int) -> None:
    prompt = [1] * 200_000 + list(range(NUM)) * 1000
    assert forbidden(request_of(prompt, no_repeat_ngram_size=size), []) == (ALL if size == 1 else {0})
