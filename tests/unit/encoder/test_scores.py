"""Labels with scores from logits: correct by definition, without overflow, and in a stable order."""

import math
from typing import Any

import numpy as np
import pytest

from contracts.model_package.tasks import Classify
from contracts.tasks.classify import ClassifyParameters
from workers.encoder.classify import score_labels, sigmoid, softmax

LABELS = ["a", "b", "c"]


def scored(logits: list[list[float]], function: Any = None, **parameters: Any) -> list[list[tuple[str, float]]]:
    manifest = Classify(labels=LABELS, function_to_apply=function or "softmax")
    rows = score_labels(np.array(logits, np.float32), ClassifyParameters(**parameters), manifest)
    return [[(best.label, best.score) for best in row] for row in rows]


def test_softmax_equals_values_by_hand() -> None:
    (row,) = scored([[0.0, math.log(2), math.log(5)]])
    assert [label for label, _ in row] == ["c", "b", "a"]
    assert [score for _, score in row] == pytest.approx([5 / 8, 2 / 8, 1 / 8], abs=1e-7)


def test_sigmoid_equals_values_by_hand() -> None:
    (row,) = scored([[0.0, math.log(3), -math.log(3)]], "sigmoid")
    assert row == [("b", pytest.approx(0.75)), ("a", pytest.approx(0.5)), ("c", pytest.approx(0.25))]


def test_raw_logits_are_returned_unchanged() -> None:
    assert scored([[0.5, -2.0, 1.5]], "none") == [[("c", 1.5), ("a", 0.5), ("b", -2.0)]]


def test_the_request_overrides_the_function() -> None:
    assert scored([[0.5, -2.0, 1.5]], "softmax", function_to_apply="none")[0][0] == ("c", 1.5)


@pytest.mark.parametrize("function", [softmax, sigmoid])
def test_huge_logits_do_not_overflow(function: Any) -> None:
    with np.errstate(all="raise", under="ignore"):
        scores = function(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]]))
    assert np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()
    assert scores[0, 0] == 1.0 and scores[0, 1] == 0.0


def test_softmax_sums_to_one() -> None:
    logits = np.random.default_rng(0).uniform(-1e4, 1e4, (200, 7))
    np.testing.assert_allclose(softmax(logits).sum(axis=-1), 1, atol=1e-12)


@pytest.mark.parametrize(("top_k", "expected"), [(None, "bca"), (1, "b"), (2, "bc"), (3, "bca"), (99, "bca")])
def test_top_k_keeps_the_best(top_k: int | None, expected: str) -> None:
    (row,) = scored([[0.0, 3.0, 1.0]], top_k=top_k)
    assert "".join(label for label, _ in row) == expected


def test_equal_scores_keep_the_order_of_the_labels() -> None:
    assert [label for label, _ in scored([[1.0, 1.0, 1.0]])[0]] == LABELS
    assert [label for label, _ in scored([[1.0, 2.0, 1.0]])[0]] == ["b", "a", "c"]
    assert [label for label, _ in scored([[-1e4, 1e4, -1e4]])[0]] == ["b", "a", "c"]


def test_each_row_has_its_own_order() -> None:
    assert [row[0][0] for row in scored([[9, 0, 0], [0, 9, 0], [0, 0, 9]])] == LABELS
