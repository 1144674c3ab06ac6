"""Keeps weights that all graphs of a package contain, such as the embedding of encoder and decoder, in memory once.

ONNX Runtime uses them instead of those in the files. Copies that a session makes of a weight, such as a transposed one
for a matrix product, still exist once for each session.
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
"""By element type of onnx.proto: float32 and float16, in the byte order of ONNX files. Weights of other types are
small."""
Weights = npt.NDArray[Any]


def shared_weights(graphs: Sequence[tuple[Path, OnnxHeader]]) -> Mapping[str, onnxruntime.OrtValue]:
    """Return the large weights that all of these graphs contain under the same name, bit for bit."""
    if len(graphs) < 2:
        return {}
    (first, header), *others = graphs
    found = {}
    for name, weight in header.weights.items():
        same = [other.weights.get(name) for _, other in others]
        # Only type and shape: each file has the weight at an offset of its own.
        if any(each is None or each[:2] != weight[:2] for each in same):
            continue
        values = _read(first, weight)
        copies = [_read(path, each) for (path, _), each in zip(others, same, strict=True) if each is not None]
        if values is not None and all(copy is not None and _equal(values, copy) for copy in copies):
            found[name] = onnxruntime.OrtValue.ortvalue_from_numpy(values)
    return found


def _read(path: Path, weight: Weight) -> Weights | None:
    """Return a weight; None if its type is not supported or its size does not match its shape."""
    dtype = _DTYPES.get(weight.element_type)
    # As Python's integers: the dimensions come from a file, and their product could overflow 64 bits.
    count = int(np.prod(weight.dims, dtype=object))
    if dtype is None or not weight.dims or count * dtype.itemsize != weight.num_bytes:
        return None
    values: Weights = np.empty(weight.dims, dtype)
    with open_regular(path) as file:
        file.seek(weight.offset)
        num_bytes = file.readinto(values.view(np.uint8).data)
    return values if num_bytes == weight.num_bytes else None


def _equal(one: Weights, other: Weights) -> bool:
    """Return whether two weights are equal bit for bit, so that NaN equals NaN."""
    return np.array_equal(one.view(np.uint8), other.view(np.uint8))
