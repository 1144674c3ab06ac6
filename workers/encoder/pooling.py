"""Pooling: the vectors of a row's tokens to one vector. Padding never changes the result."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.int64]


def mean(hidden: Floats, mask: Mask) -> Floats:
    """Average over the tokens that are not padding (Sentence-BERT, arXiv:1908.10084, section 3).

    Args:
        hidden: float32 [rows, tokens, size].
        mask: int64 [rows, tokens], 0 for padding.

    Returns:
        float32 [rows, size].
    """
    weights = mask[:, :, None].astype(np.float32)
    # 1e-9 as in sentence-transformers.
    vectors: Floats = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), np.float32(1e-9))
    return vectors


def cls(hidden: Floats, mask: Mask) -> Floats:
    """Return the vector of the first token. Shapes as in ``mean``."""
    return hidden[:, 0]


def last_token(hidden: Floats, mask: Mask) -> Floats:
    """Return the vector of the last token that is not padding, which may be on either side. Shapes as in ``mean``."""
    # argmax returns the first 1, which is the last one of the unreversed mask.
    last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
    vectors: Floats = hidden[np.arange(len(hidden)), last]
    return vectors


POOLING: dict[str, Callable[[Floats, Mask], Floats]] = {"mean": mean, "cls": cls, "last_token": last_token}


def normalized(vectors: npt.NDArray[Any]) -> Floats:
    """Scale vectors, float32 [rows, size], to length 1. A zero vector stays zero."""
    # What `np.linalg.norm` does, which takes longer to find out how.
    lengths = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    # 1e-12 is the limit of torch.nn.functional.normalize, which the reference uses.
    scaled: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)
    return scaled
