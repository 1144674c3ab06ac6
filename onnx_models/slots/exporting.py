"""Steps that the exports of all slot graphs share: the model to trace, its outputs, and the check of the result."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from onnx_models.exporting.loading import load_model
from onnx_models.exporting.sources import Source
from onnx_models.slots.cache import NoSlotsError

_TOLERANCE = 1e-3
"""Largest relative difference from the model. A wrongly traced graph is far away from it; `verify` is strict later."""


def load_eager(model_class: Any, source: Source) -> Any:
    """Return the model to trace.

    Eager attention is the one whose options (soft cap, scale, window) transformers hands to a registered function as
    arguments; other implementations prepare masks in their own form.

    Raises:
        ExportError: transformers can't load it, or weights are missing.
    """
    return load_model(model_class, source, attention="eager")


def present_tensors(presents: Sequence[tuple[Tensor, Tensor] | None]) -> list[Tensor]:
    """Return the buffers of all layers after their attention, each layer's keys and then its values.

    Raises:
        NoSlotsError: a layer did not call the registered attention function.
    """
    found = [present for present in presents if present is not None]
    if len(found) < len(presents):
        raise NoSlotsError("its attention is not behind transformers' attention interface")
    return [tensor for present in found for tensor in present]


def check_logits(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Compare a row of logits of the graph with the model's.

    A trace keeps one of the paths through Python code, and torch's exporter has faults of its own: for example, it
    writes a wrong constant for Cohere, which repeats rotation angles by ``repeat_interleave``.

    Raises:
        NoSlotsError: the two differ.
    """
    if not np.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(expected).max()):
        raise NoSlotsError("its slot graph returns other logits than the model")
