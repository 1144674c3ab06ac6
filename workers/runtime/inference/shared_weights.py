"""Weights that all graphs of a package have, such as the embedding of encoder and decoder, held in memory once.

ONNX Runtime takes them from us in the place of those in the files. What it makes of a weight for itself, such as a
transposed copy for a product, each session still has.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from contracts.model_package.files import open_regular
from contracts.model_package.onnx_header import OnnxHeader, Weight

_DTYPES: Mapping[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2")}
"""By element type of onnx.proto; other weights are not large."""
Words = npt.NDArray[Any]


def shared_weights(graphs: Sequence[tuple[Path, OnnxHeader]]) -> Mapping[str, onnxruntime.OrtValue]:
    """Return the large weights that all of these graphs have, to the bit, by their common name."""
    if len(graphs) < 2:
        return {}
    (first, header), *others = graphs
    found = {}
    for name, weight in header.weights.items():
        same = [other.weights.get(name) for _, other in others]
        if any(each is None or each[:2] != weight[:2] for each in same):
            continue
        values = _read(first, weight)
        copies = [_read(path, each) for (path, _), each in zip(others, same, strict=True) if each is not None]
        if values is not None and all(copy is not None and _equal(values, copy) for copy in copies):
            found[name] = onnxruntime.OrtValue.ortvalue_from_numpy(values)
    return found


def _read(path: Path, weight: Weight) -> Words | None:
    """Return a weight, or None if it is not what it says of itself."""
    dtype = _DTYPES.get(weight.element_type)
    count = int(np.prod(weight.dims, dtype=object))
    if dtype is None or not weight.dims or count * dtype.itemsize != weight.num_bytes:
        return None
    values: Words = np.empty(weight.dims, dtype)
    with open_regular(path) as file:
        file.seek(weight.offset)
        num_bytes = file.readinto(values.view(np.uint8).data)
    return values if num_bytes == weight.num_bytes else None


def _equal(one: Words, other: Words) -> bool:
    """Return whether two weights are the same to the bit; NaN is itself."""
    return np.array_equal(one.view(np.uint8), other.view(np.uint8))
