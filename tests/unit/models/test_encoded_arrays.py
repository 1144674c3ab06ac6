"""Answers of millions of numbers are the same JSON as those of a few, and do not keep Python's lock."""

import json

import numpy as np
import pytest

from tests.support.lock_gaps import hold_s, limit_s
from workers.runtime.models.served import _encode


@pytest.mark.parametrize(
    "shape", [(3, 4), (1,), (5,), (0, 4), (2500, 1000), (2, 1_500_000), (1, 2_000_000), (2_500_000,)]
)
def test_an_array_is_encoded_whatever_its_shape(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    decoded = np.array(json.loads(_encode(array)), np.float32)
    assert decoded.reshape(shape).shape == shape and (decoded.ravel() == array.ravel()).all()


def test_a_large_answer_does_not_keep_the_lock() -> None:
    array = np.random.default_rng(1).random((2048, 4096), np.float32)
    assert hold_s(lambda: _encode(array), limit_s()) < limit_s()
