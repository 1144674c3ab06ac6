"""Compares what a graph file must take and return with what a loaded graph declares: names, ranks and types only."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Dtypes = tuple[str, ...]
INT64: Dtypes = ("int64",)
BOOL: Dtypes = ("bool",)
FLOAT: Dtypes = ("float32",)
FLOAT_OR_HALF: Dtypes = ("float32", "float16")

_LAYER = "{i}"


class TensorSpec(NamedTuple):
    """One tensor of a signature. A name with ``{i}`` stands for one tensor in each layer, numbered from 0."""

    name: str
    dtypes: Dtypes
    """numpy's names of the types that it may have."""
    rank: int
    next_input: str = ""
    """For an output: the input that takes it in the next call. Both have the same type and fixed dimensions."""


class Signature(NamedTuple):
    """The tensors of one graph file."""

    required: tuple[TensorSpec, ...]
    """Inputs that a graph must have."""
    optional: tuple[TensorSpec, ...]
    """Inputs that a graph may have."""
    outputs: tuple[TensorSpec, ...]
    """Outputs that a graph must have; other outputs are not read."""


class TensorInfo(NamedTuple):
    """A tensor as a loaded graph declares it. None is a dimension that differs from call to call."""

    dtype: str
    shape: tuple[int | None, ...]


Tensors = Mapping[str, TensorInfo]
"""By name."""


def find_mismatch(signature: Signature, inputs: Tensors, outputs: Tensors) -> str | None:
    """Return the first way in which a graph differs from its signature, as words, or None if it matches."""
    return next(_mismatches(signature, inputs, outputs), None)


def _mismatches(signature: Signature, inputs: Tensors, outputs: Tensors) -> Iterator[str]:
    known_inputs = (*signature.required, *signature.optional)
    for name in inputs:
        if not any(_matches(spec.name, name) for spec in known_inputs):
            yield f"it takes an input {name}, which no worker feeds"
    for what, specs, found in (("input", signature.required, inputs), ("output", signature.outputs, outputs)):
        for spec in specs:
            if not _matching_names(spec, found):
                yield f"it has no {what} {spec.name}, but {', '.join(found) or 'none'}"
    yield from _wrong_types(known_inputs, inputs)
    yield from _wrong_types(signature.outputs, outputs)
    yield from _wrong_layers(signature, inputs, outputs)
    yield from _wrong_successors(signature.outputs, inputs, outputs)


def _wrong_types(specs: tuple[TensorSpec, ...], found: Tensors) -> Iterator[str]:
    for spec in specs:
        for name in _matching_names(spec, found):
            dtype, shape = found[name]
            if dtype not in spec.dtypes:
                yield f"{name} is {dtype}, expected {' or '.join(spec.dtypes)}"
            if len(shape) != spec.rank:
                yield f"{name} has {len(shape)} dimensions, expected {spec.rank}"


def _wrong_layers(signature: Signature, inputs: Tensors, outputs: Tensors) -> Iterator[str]:
    """Check that layers are numbered from 0 without a gap, and that all tensors of layers have equally many layers."""
    counts = {}
    for specs, found in ((signature.required + signature.optional, inputs), (signature.outputs, outputs)):
        for spec in specs:
            layers = {_layer_of(spec.name, name) or 0 for name in _matching_names(spec, found)}
            if _LAYER not in spec.name or not layers:
                continue
            if layers != set(range(len(layers))):
                yield f"{spec.name}: its layers are {sorted(layers)}, expected 0 and up without a gap"
            counts[spec.name] = len(layers)
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        yield f"its tensors have different numbers of layers: {listed}"


def _wrong_successors(specs: tuple[TensorSpec, ...], inputs: Tensors, outputs: Tensors) -> Iterator[str]:
    for spec in specs:
        for name in _matching_names(spec, outputs) if spec.next_input else ():
            successor = spec.next_input.replace(_LAYER, str(_layer_of(spec.name, name)))
            if successor not in inputs:
                yield f"{name} must be fed to the next call as {successor}, but there is no such input"
            elif not _compatible(inputs[successor], outputs[name]):
                expected, actual = _shown(inputs[successor]), _shown(outputs[name])
                yield f"{name} is {actual}, but {successor}, which takes it in the next call, is {expected}"


def _compatible(one: TensorInfo, other: TensorInfo) -> bool:
    dims = zip(one.shape, other.shape, strict=False)
    same = all(left == right for left, right in dims if left is not None and right is not None)
    return same and one.dtype == other.dtype and len(one.shape) == len(other.shape)


def _shown(tensor: TensorInfo) -> str:
    return f"{tensor.dtype} [{', '.join('?' if dim is None else str(dim) for dim in tensor.shape)}]"


def _matching_names(spec: TensorSpec, found: Tensors) -> list[str]:
    return [name for name in found if _matches(spec.name, name)]


def _matches(pattern: str, name: str) -> bool:
    return _layer_of(pattern, name) is not None


def _layer_of(pattern: str, name: str) -> int | None:
    """Return the layer in a tensor's name, 0 for a pattern without layers, or None for a tensor of another name."""
    before, has_layers, after = pattern.partition(_LAYER)
    if not has_layers:
        return 0 if name == pattern else None
    # Names come from the graph file. The number of digits is bounded, because Python refuses to convert very long ones,
    # and "01" is no layer, because it would count as the same layer as "1".
    number = re.fullmatch(re.escape(before) + r"(0|[1-9][0-9]{0,5})" + re.escape(after), name)
    return int(number[1]) if number else None
