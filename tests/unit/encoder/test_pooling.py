"""Pooling, truncation and normalization of token vectors, which padding never changes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.model_package.tasks import Embed
from contracts.tasks.embed import EmbedParameters
from workers.encoder.embed import shape_vectors
from workers.encoder.pooling import POOLING, normalized

EXPECTED = {"mean": lambda rows: rows.mean(axis=0), "cls": lambda rows: rows[0], "last_token": lambda rows: rows[-1]}


def padded(rows: "np.ndarray[Any, Any]", num_padding: int, side: str) -> tuple[Any, Any]:
    """Return one row with garbage around it, as [1, tokens, size], and its mask."""
    garbage = np.full((num_padding, rows.shape[1]), 1e6, np.float32)
    mask = [1] * len(rows), [0] * num_padding
    parts = [rows, garbage] if side == "right" else [garbage, rows]
    order = mask if side == "right" else mask[::-1]
    return np.concatenate(parts)[None], np.array([[*order[0], *order[1]]], np.int64)


@pytest.mark.parametrize("pooling", POOLING)
@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_padding_on_the_right_never_changes_a_row(pooling: str, num_tokens: int, num_padding: int, seed: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((num_tokens, 4)).astype(np.float32)
    hidden, mask = padded(rows, num_padding, "right")
    np.testing.assert_allclose(POOLING[pooling](hidden, mask)[0], EXPECTED[pooling](rows), atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "last_token"])
@given(st.integers(1, 9), st.integers(0, 9))
def test_padding_on_the_left_does_not_change_mean_and_last_token(
    pooling: str, num_tokens: int, num_padding: int
) -> None:
    rows = np.random.default_rng(num_tokens).standard_normal((num_tokens, 4)).astype(np.float32)
    hidden, mask = padded(rows, num_padding, "left")
    np.testing.assert_allclose(POOLING[pooling](hidden, mask)[0], EXPECTED[pooling](rows), atol=1e-6)


@pytest.mark.parametrize("pooling", POOLING)
def test_rows_of_one_batch_do_not_mix(pooling: str) -> None:
    hidden = np.random.default_rng(1).standard_normal((3, 5, 4)).astype(np.float32)
    mask = np.array([[1, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    together = POOLING[pooling](hidden, mask)
    for index in range(3):
        one = slice(index, index + 1)
        np.testing.assert_array_equal(together[one], POOLING[pooling](hidden[one], mask[one]))


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-20, 1e-6, 1.0, 1e18]))
def test_normalised_vectors_have_length_one_and_keep_their_direction(seed: int, scale: float) -> None:
    vectors = np.random.default_rng(seed).standard_normal((3, 8)).astype(np.float32)
    scaled = normalized((vectors.astype(np.float64) * scale) if scale < 1e-12 else vectors * np.float32(scale))
    if scale >= 1e-6:
        np.testing.assert_allclose(np.linalg.norm(scaled, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(scaled, normalized(vectors), atol=1e-5)
    assert np.isfinite(scaled).all() and scaled.dtype == np.float32


def test_a_zero_vector_stays_zero() -> None:
    assert normalized(np.zeros((1, 4), np.float32)).tolist() == [[0.0] * 4]


@pytest.mark.parametrize(
    ("parameters", "model_normalizes", "expected"),
    [
        (EmbedParameters(), True, [0.6, 0.8, 0.0]),
        (EmbedParameters(), False, [3.0, 4.0, 0.0]),
        (EmbedParameters(normalize=True), False, [0.6, 0.8, 0.0]),
        (EmbedParameters(normalize=False), True, [3.0, 4.0, 0.0]),
        (EmbedParameters(dimensions=1), True, [1.0]),
        (EmbedParameters(dimensions=2, normalize=False), True, [3.0, 4.0]),
        (EmbedParameters(dimensions=3), True, [0.6, 0.8, 0.0]),
    ],
)
def test_vectors_are_truncated_before_they_are_normalized(
    parameters: EmbedParameters, model_normalizes: bool, expected: list[float]
) -> None:
    manifest = Embed(pooling="mean", normalize=model_normalizes, dimensions=3)
    vectors = shape_vectors(np.array([[3, 4, 0]], np.float32), parameters, manifest)
    np.testing.assert_allclose(vectors, [expected], atol=1e-7)
    assert vectors.flags.c_contiguous, "orjson writes contiguous arrays only"
