"""What the tasks of encoders make of a graph's outputs. It is all that a model must know of its task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workers.runtime.inference.session import Array

Mask = npt.NDArray[np.int64]
RowArrays = Array | Sequence[Array]
"""One array for each row; as one array if all have the same shape."""


@dataclass(frozen=True)
class Head:
    """How a task reads the outputs of a model call."""

    read: Callable[[Sequence[Array], Mask], RowArrays]
    """Gets the graph's outputs for a batch, and its mask, int64 [rows, tokens]."""
    row_shape: tuple[int | None, ...]
    """Shape of a row's array, which a warm-up checks. None stands for the number of the row's tokens."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the model's card that only this task has."""


def first_output(outputs: Sequence[Array], mask: Mask) -> Array:
    """Return the first output as it is: one entry for each row."""
    return outputs[0]
