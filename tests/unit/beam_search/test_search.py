"""A search keeps the likeliest beams and returns the finished hypotheses with the highest scores."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.beam_search.builders import Tokens, found, probabilities, run, search_of, table
from workers.runtime.decoding.beam_search.search import Continuation
from workers.runtime.decoding.request import Constraints, Sampling

fixed = settings(derandomize=True, deadline=None, max_examples=100)
GARDEN_PATH = table(_=(0.0, 0.6, 0.4), _1=(0.5, 0.25, 0.25), _2=(0.9, 0.1, 0.0), other=(0.5, 0.3, 0.2))


def test_two_beams_find_what_greedy_search_misses() -> None:
    """0.4 · 0.9 is more than 0.6 · 0.5."""
    hypotheses = run(search_of(2, length_penalty=0.0), 2, GARDEN_PATH)
    assert found(hypotheses) == [([2, 0], 0.36), ([1, 0], 0.3)]
    assert all(each.ended_by_eos for each in hypotheses)


def test_tokens_and_beam_indices_step_by_step() -> None:
    search = search_of(2, 4, length_penalty=0.0, early_stopping="never")
    assert search.advance(np.broadcast_to(GARDEN_PATH(()), (2, 3))) == Continuation([1, 2], [0, 0])
    # Running: 1 (0.6), 2 (0.4). Ended: 20 (0.36), 10 (0.3). Not ended: 11, 12 (0.15), 21 (0.04).
    assert search.advance(np.stack([GARDEN_PATH((1,)), GARDEN_PATH((2,))])) == Continuation([], [])
    assert (search.num_generated, search.finished) == (2, True)


def test_beams_swap_positions() -> None:
    search = search_of(2)
    search.advance(np.broadcast_to(probabilities(0, 0.6, 0.4), (2, 3)))
    onward = search.advance(np.stack([probabilities(0, 0.5, 0.5), probabilities(0, 0.05, 0.95)]))
    assert onward == Continuation([2, 1], [1, 0])  # 0.38, and the first of two with 0.3


@pytest.mark.parametrize(("length_penalty", "best"), [(0.0, [1, 0]), (1.0, [1, 0]), (2.0, [1, 1, 0]), (-1.0, [1, 0])])
def test_the_length_penalty_prefers_long_hypotheses(length_penalty: float, best: list[int]) -> None:
    logits_after = table(_=(0.01, 0.99), _1=(0.6, 0.4), other=(1.0, 0.0))
    hypotheses = run(search_of(3, length_penalty=length_penalty), 3, logits_after)
    assert hypotheses[0].token_ids == best
    scores = {tuple(each.token_ids): each.score for each in hypotheses}
    assert scores[1, 0] == pytest.approx(math.log(0.99 * 0.6) / 2**length_penalty, rel=1e-6)
    assert scores[1, 1, 0] == pytest.approx(math.log(0.99 * 0.4) / 3**length_penalty, rel=1e-6)


@pytest.mark.parametrize("length_penalty", [1e6, -1e6, 1e308, -1e308])
def test_no_length_penalty_makes_a_score_nan(length_penalty: float) -> None:
    hypotheses = run(search_of(2, length_penalty=length_penalty), 2, GARDEN_PATH)
    assert len(hypotheses) == 2
    assert not any(math.isnan(each.score) for each in hypotheses)


@pytest.mark.parametrize(("early_stopping", "num_steps"), [(True, 2), (False, 3), ("never", 5)])
def test_early_stopping_decides_when_the_search_ends(early_stopping: Any, num_steps: int) -> None:
    """After two tokens, two hypotheses are finished, with scores -1.26 and -1.61.

    The running beam has probability 0.72, so its score is -0.16. Its next token is one of a hundred equally likely
    ones, so its log probability becomes log(0.0072) = -4.93. Divided by three tokens this is worse than the finished
    hypotheses, divided by five tokens it is better.
    """
    rows = {(): probabilities(0.2, 0.8, *[0] * 98), (1,): probabilities(0.1, 0.9, *[0] * 98)}
    rows[1, 1] = probabilities(*[0.01] * 100)
    search = search_of(2, 5, early_stopping=early_stopping)
    run(search, 2, lambda text: rows.get(text, probabilities(0, 1, *[0] * 98)))
    assert search.num_generated == num_steps


def test_a_hypothesis_at_its_maximum_length_has_not_ended_by_eos() -> None:
    hypotheses = run(search_of(2, 2), 2, table(other=(0.1, 0.9)))
    assert [(each.token_ids, each.ended_by_eos) for each in hypotheses] == [([1, 1], False), ([1, 0], True)]


def test_only_num_return_sequences_hypotheses_are_returned() -> None:
    everything = run(search_of(4), 4, GARDEN_PATH)
    assert run(search_of(4, num_return_sequences=1), 4, GARDEN_PATH) == everything[:1]
    assert run(search_of(4, num_return_sequences=3), 4, GARDEN_PATH) == everything[:3]


def test_equal_scores_are_ranked_by_beam_and_then_by_token() -> None:
    search, alike = search_of(3), np.zeros((3, 50), np.float32)
    assert search.advance(alike) == Continuation([1, 2, 3], [0, 0, 0])  # token 0 ends a hypothesis
    assert search.advance(alike) == Continuation([1, 2, 3], [0, 0, 0])
    assert search.hypotheses()[0].token_ids == [0]


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.7, 1.0, 2.5, -1.5]), st.sampled_from([(), (0,), (0, 3)]))
@fixed
def test_with_beams_for_all_prefixes_all_hypotheses_are_found_in_order(
    seed: int, length_penalty: float, eos: tuple[int, ...]
) -> None:
    vocabulary, num_tokens, num_beams = 4, 3, 64
    rng = np.random.default_rng(seed)
    rows = {
        text: rng.standard_normal(vocabulary).astype(np.float32) * 3
        for length in range(num_tokens)
        for text in itertools.product(range(vocabulary), repeat=length)
    }
    scores: dict[Tokens, float] = {}
    for text in itertools.chain(*(itertools.product(range(vocabulary), repeat=size + 1) for size in range(num_tokens))):
        if any(token in eos for token in text[:-1]) or (len(text) < num_tokens and text[-1] not in eos):
            continue
        sums = [rows[text[:length]].astype(np.float64) for length in range(len(text))]
        total = sum(row[token] - np.log(np.exp(row).sum()) for row, token in zip(sums, text, strict=True))
        scores[text] = total / len(text) ** length_penalty
    search = search_of(num_beams, num_tokens, eos=eos, length_penalty=length_penalty, early_stopping="never")
    hypotheses = run(search, num_beams, lambda text: rows.get(text, rows[()]))
    expected = sorted(scores, key=lambda text: -scores[text])
    assert [tuple(each.token_ids) for each in hypotheses] == expected
    assert [each.score for each in hypotheses] == pytest.approx([scores[text] for text in expected], abs=1e-4)


def test_each_beam_has_constraints_of_its_own() -> None:
    """Without repeated tokens, three tokens make six hypotheses, and each is found once."""
    sampling = Sampling(constraints=Constraints(no_repeat_ngram_size=1))
    search = search_of(6, 3, eos=(), sampling=sampling, prompt=(3,))
    hypotheses = run(search, 6, table(other=(0.2, 0.3, 0.4, 0.1)))
    assert {tuple(each.token_ids) for each in hypotheses} == set(itertools.permutations((0, 1, 2)))
    with pytest.raises(RuntimeError, match="No token can be chosen"):
        run(search_of(6, 4, eos=(), sampling=sampling, prompt=(3,)), 6, table(other=(0.2, 0.3, 0.4, 0.1)))


def test_a_forced_first_token_does_not_change_the_score() -> None:
    sampling = Sampling(constraints=Constraints(forced_bos_token_id=2))
    hypotheses = run(search_of(2, 2, length_penalty=0.0, sampling=sampling), 2, table(other=(0.5, 0.3, 0.2)))
    assert found(hypotheses) == [([2, 0], 0.5), ([2, 1], 0.3)]
