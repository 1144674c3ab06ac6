"""Token vectors to one vector a row. Invariant: padding never changes a row's vector."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.int64]


def mean(hidden: Floats, mask: Mask) -> Floats:
    """Average over the real tokens (Sentence-BERT, arXiv:1908.10084, section 3).

    ``hidden``: float32 [rows, tokens, size]; ``mask``: int64 [rows, tokens]; returns float32 [rows, size].
    """
    weights = mask[:, :, None].astype(np.float32)
    vectors: Floats = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), np.float32(1e-9))
    return vectors


def cls(hidden: Floats, mask: Mask) -> Floats:
    """Return the vector of the first token. Shapes as in ``mean``."""
    return hidden[:, 0]


def last_token(hidden: Floats, mask: Mask) -> Floats:
    """Return the vector of the last real token, on whichever side the padding is. Shapes as in ``mean``."""
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    vectors: Floats = hidden[np.arange(len(hidden)), last]
    return vectors


POOLING: dict[str, Callable[[Floats, Mask], Floats]] = {"mean": mean, "cls": cls, "last_token": last_token}


def normalized(vectors: npt.NDArray[Any]) -> Floats:
    """Scale vectors to length 1: float32 [rows, size]; a zero vector stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled
