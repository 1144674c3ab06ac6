"""Differences between a package's outputs and those of its reference, collected array by array."""

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.manifest import Figures
from onnx_models.errors import ParityError

Floats = NDArray[np.floating]


class Comparison:
    """Collects differences; every figure is the worst over all arrays, or a share of them."""

    def __init__(self) -> None:
        self.max_abs_diff = 0.0
        """Largest ``|served - reference|``; NaN if either has one."""
        self.relative_diff = 0.0
        """The same over the largest ``|reference|`` of its array or 1, whichever is more: what `verify` judges."""
        self.min_cosine = 1.0
        """Smallest cosine between a vector of the package and the reference's; vectors lie along the last axis."""
        self.batch_diff = 0.0
        """Largest difference between a row that was run alone and the same row in a batch."""
        self.num_rows = 0
        self.num_tokens = 0
        self._num_equal_tokens = 0
        self._num_vectors = 0
        self._num_same_top = 0
        self._notes: Figures = {}

    def add(self, served: Floats, reference: Floats) -> None:
        """Compare two arrays of the same shape [rows, ..., size], without padding; call once for each output.

        Raises:
            ParityError: the shapes differ.
        """
        # In float64, so that the comparison adds no rounding of its own.
        served, reference = np.asarray(served, np.float64), np.asarray(reference, np.float64)
        if served.shape != reference.shape:
            raise ParityError(f"ONNX returns an array of {served.shape}, the reference one of {reference.shape}")
        worst = float(np.abs(served - reference).max())
        self.max_abs_diff = _larger(self.max_abs_diff, worst)
        self.relative_diff = _larger(self.relative_diff, worst / max(1.0, float(np.abs(reference).max())))
        left, right = (np.reshape(array, (-1, array.shape[-1])) for array in (served, reference))
        self.min_cosine = min(self.min_cosine, float(_cosines(left, right).min()))
        self._num_vectors += len(left)
        self._num_same_top += int((left.argmax(axis=1) == right.argmax(axis=1)).sum())

    def add_batched(self, alone: Floats, in_batch: Floats) -> None:
        """Compare the package's outputs for a row alone with those for the same row in a batch, without padding."""
        self.batch_diff = _larger(self.batch_diff, float(np.abs(np.asarray(alone) - np.asarray(in_batch)).max()))
        self.num_rows += 1

    def add_tokens(self, served: list[int], reference: list[int]) -> None:
        """Compare the greedily decoded tokens of one row."""
        equal = [left == right for left, right in zip(served, reference, strict=False)]
        # By the longer one, so that a missing or a superfluous token counts as different.
        self.num_tokens += max(len(served), len(reference))
        self._num_equal_tokens += equal.index(False) if False in equal else len(equal)

    def note(self, name: str, value: str | float | int | bool) -> None:
        """Add another figure to the [verified] table."""
        self._notes[name] = value

    def note_diff(self, name: str, difference: float) -> None:
        """Add a difference that is not judged, such as that of scores, to two significant digits."""
        self.note(name, float(f"{difference:.2g}"))

    @property
    def same_tokens(self) -> float:
        """Share of generated tokens before the first difference of their row; 1 if none were generated."""
        return self._num_equal_tokens / self.num_tokens if self.num_tokens else 1.0

    @property
    def same_top(self) -> float:
        """Share of vectors with the same argmax: the top-1 agreement, if the vectors are logits."""
        return self._num_same_top / self._num_vectors if self._num_vectors else 1.0

    def figures(self) -> Figures:
        """Return the figures under the names of the manifest's [verified] table."""
        found: Figures = {
            "max_abs_diff": _short(self.max_abs_diff),
            "relative_diff": _short(self.relative_diff),
            "min_cosine": round(self.min_cosine, 6),
            "top1_agreement": round(self.same_top, 4),
            "batch_diff": _short(self.batch_diff),
            "rows": self.num_rows,
        }
        if self.num_tokens:
            found |= {"same_tokens": round(self.same_tokens, 4), "tokens": self.num_tokens}
        return found | self._notes


def _cosines(left: Floats, right: Floats) -> Floats:
    """Return the cosine of each pair of vectors: 1 for two zero vectors; 0 for one, and for NaN or infinity."""
    with np.errstate(invalid="ignore"):
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        cosines = (left * right).sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
    same = (left == right).all(axis=1)
    return np.where(np.isfinite(cosines) & (lengths > 0), cosines, same)


def _larger(left: float, right: float) -> float:
    """Return the maximum, or NaN if one of them is: Python's max would drop a NaN, and a comparison would pass."""
    return float(np.maximum(left, right))


def _short(number: float) -> float:
    return float(f"{number:.2g}")
