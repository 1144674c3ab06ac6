"""Searches that can't find as many hypotheses as they have beams, and logits that allow no token at all."""

import math

import numpy as np
import pytest

from tests.unit.beam_search.builders import found, run, search_of, table
from workers.runtime.decoding.beam_search.search import Continuation
from workers.runtime.decoding.request import Constraints, Sampling

INF = math.inf


def test_a_search_can_have_more_beams_than_tokens() -> None:
    hypotheses = run(search_of(8, 1), 8, table(other=(0.2, 0.3, 0.5)))
    assert found(hypotheses) == [([2], 0.5), ([1], 0.3), ([0], 0.2)]
    longer = run(search_of(8, 5, early_stopping="never"), 8, table(other=(0.2, 0.3, 0.5)))
    assert len({tuple(each.token_ids) for each in longer}) == 8


def test_missing_beams_are_filled_with_the_best_one() -> None:
    search = search_of(5)
    onward = search.advance(np.zeros((5, 3), np.float32))
    assert onward == Continuation([1, 2, 1, 1, 1], [0, 0, 0, 0, 0])
    assert len(search.advance(np.zeros((5, 3), np.float32)).token_ids) == 5


def test_a_vocabulary_of_one_token_has_one_hypothesis() -> None:
    hypotheses = run(search_of(3, 4, eos=()), 3, lambda text: np.zeros(1, np.float32))
    assert [(each.token_ids, each.score) for each in hypotheses] == [([0] * 4, 0.0)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, math.nan, 2), "logits hold NaN"),
        ((INF, math.nan, 0), "logits hold NaN"),
        ((1, INF, 2), r"logits hold \+inf"),
        ((-INF, -INF, -INF), "No token can be chosen"),
    ],
)
@pytest.mark.parametrize("penalty", [1.0, 2.0])
def test_logits_that_allow_no_choice_are_refused(row: tuple[float, ...], message: str, penalty: float) -> None:
    broken = np.array([row] * 3, np.float32)
    sampling = Sampling(repetition_penalty=penalty)
    with pytest.raises(RuntimeError, match=message):
        search_of(3, sampling=sampling).advance(broken)
    search = search_of(3, eos=(), sampling=sampling)
    search.advance(np.zeros((3, 3), np.float32))
    with pytest.raises(RuntimeError, match=message):
        search.advance(broken)


def test_one_beam_with_nan_fails_the_search_but_one_dead_end_does_not() -> None:
    for row, fails in (([math.nan, 0, 0], True), ([-INF, -INF, -INF], False)):
        search = search_of(2, eos=())
        search.advance(np.zeros((2, 3), np.float32))
        logits = np.array([[0, 0, 0], row], np.float32)
        if fails:
            with pytest.raises(RuntimeError, match="NaN"):
                search.advance(logits)
        else:
            assert search.advance(logits).beam_idx == [0, 0]


def test_a_dead_end_ends_the_search_with_the_finished_hypotheses() -> None:
    search = search_of(3, 9)
    search.advance(np.zeros((3, 2), np.float32))
    search.advance(np.full((3, 2), -INF, np.float32))
    assert search.finished
    assert [each.token_ids for each in search.hypotheses()] == [[0]]


def test_constraints_that_forbid_every_token_fail_the_search() -> None:
    sampling = Sampling(constraints=Constraints(suppress_tokens=(0, 1, 2)))
    with pytest.raises(RuntimeError, match="No token can be chosen"):
        search_of(2, sampling=sampling).advance(np.zeros((2, 3), np.float32))


def test_logits_are_not_changed() -> None:
    sampling = Sampling(repetition_penalty=1.5, constraints=Constraints(suppress_tokens=(1,)))
    logits = np.random.default_rng(1).standard_normal((3, 200)).astype(np.float32)
    before = logits.copy()
    for options in (Sampling(), sampling):
        search = search_of(3, 9, sampling=options)
        for _ in range(4):
            search.advance(logits)
        np.testing.assert_array_equal(logits, before)


def test_huge_logits_have_finite_scores() -> None:
    hypotheses = run(search_of(2, 2), 2, lambda text: np.array([-3e38, 3e38, 3e38], np.float32))
    assert [each.score for each in hypotheses] == pytest.approx([math.log(0.5)] * 2)
