"""What a graph file must take and answer, and whether a loaded graph does. Only names, ranks and types: no arrays."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Dtypes = tuple[str, ...]
INT64: Dtypes = ("int64",)
BOOL: Dtypes = ("bool",)
FLOAT: Dtypes = ("float32",)
FLOAT_OR_HALF: Dtypes = ("float32", "float16")

_LAYER = "{i}"


class Tensor(NamedTuple):
    """One tensor of a signature. A name with ``{i}`` stands for one tensor in each layer, numbered from 0."""

    name: str
    dtypes: Dtypes
    """numpy's names of the types that it may have."""
    rank: int
    follows: str = ""
    """Of an output: the input that it becomes in the next call. Both have the same type and fixed dimensions."""


class Signature(NamedTuple):
    """The tensors of one graph file."""

    needed: tuple[Tensor, ...]
    optional: tuple[Tensor, ...]
    """Inputs that a graph may have besides."""
    outputs: tuple[Tensor, ...]
    """Outputs that a graph must have; others are not read."""


class Declared(NamedTuple):
    """A tensor as a loaded graph declares it; None is a dimension that differs from call to call."""

    dtype: str
    shape: tuple[int | None, ...]


Tensors = Mapping[str, Declared]
"""By name."""


def fault_of(signature: Signature, inputs: Tensors, outputs: Tensors) -> str | None:
    """Return the first way in which a graph differs from its signature, as words, or None."""
    return next(_faults(signature, inputs, outputs), None)


def _faults(signature: Signature, inputs: Tensors, outputs: Tensors) -> Iterator[str]:
    taken = (*signature.needed, *signature.optional)
    for name in inputs:
        if not any(_matches(tensor.name, name) for tensor in taken):
            yield f"it takes an input {name}, which nobody would feed"
    for place, wanted, found in (("input", signature.needed, inputs), ("output", signature.outputs, outputs)):
        for tensor in wanted:
            if not _all_named(tensor, found):
                yield f"it has no {place} {tensor.name}, but {', '.join(found) or 'none'}"
    yield from _wrong_types(taken, inputs)
    yield from _wrong_types(signature.outputs, outputs)
    yield from _wrong_layers(signature, inputs, outputs)
    yield from _wrong_successors(signature.outputs, inputs, outputs)


def _wrong_types(wanted: tuple[Tensor, ...], found: Tensors) -> Iterator[str]:
    for tensor in wanted:
        for name in _all_named(tensor, found):
            dtype, shape = found[name]
            if dtype not in tensor.dtypes:
                yield f"{name} is {dtype}, expected {' or '.join(tensor.dtypes)}"
            if len(shape) != tensor.rank:
                yield f"{name} has {len(shape)} dimensions, expected {tensor.rank}"


def _wrong_layers(signature: Signature, inputs: Tensors, outputs: Tensors) -> Iterator[str]:
    """Layers are numbered from 0 without a gap, and every tensor that comes by layer has all of them."""
    counts = {}
    for tensors, found in ((signature.needed + signature.optional, inputs), (signature.outputs, outputs)):
        for tensor in tensors:
            layers = {_layer_of(tensor.name, name) or 0 for name in _all_named(tensor, found)}
            if _LAYER not in tensor.name or not layers:
                continue
            if layers != set(range(len(layers))):
                yield f"{tensor.name}: its layers are {sorted(layers)}, expected 0 and up without a gap"
            counts[tensor.name] = len(layers)
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        yield f"its tensors have different numbers of layers: {told}"


def _wrong_successors(wanted: tuple[Tensor, ...], inputs: Tensors, outputs: Tensors) -> Iterator[str]:
    for tensor in wanted:
        for name in _all_named(tensor, outputs) if tensor.follows else ():
            before = tensor.follows.replace(_LAYER, str(_layer_of(tensor.name, name)))
            if before not in inputs:
                yield f"{name} has no input {before} to become"
            elif not _alike(inputs[before], outputs[name]):
                yield f"{name} is {_words(outputs[name])}, and {before}, which it becomes, {_words(inputs[before])}"


def _alike(one: Declared, other: Declared) -> bool:
    dims = zip(one.shape, other.shape, strict=False)
    same = all(left == right for left, right in dims if left is not None and right is not None)
    return same and one.dtype == other.dtype and len(one.shape) == len(other.shape)


def _words(tensor: Declared) -> str:
    return f"{tensor.dtype} [{', '.join('?' if dim is None else str(dim) for dim in tensor.shape)}]"


def _all_named(tensor: Tensor, found: Tensors) -> list[str]:
    return [name for name in found if _matches(tensor.name, name)]


def _matches(pattern: str, name: str) -> bool:
    return _layer_of(pattern, name) is not None


def _layer_of(pattern: str, name: str) -> int | None:
    """Return the layer in a tensor's name, 0 for a pattern without layers, or None for a tensor of another name."""
    before, has_layers, after = pattern.partition(_LAYER)
    if not has_layers:
        return 0 if name == pattern else None
    number = re.fullmatch(re.escape(before) + r"(0|[1-9][0-9]{0,5})" + re.escape(after), name)
    return int(number[1]) if number else None
