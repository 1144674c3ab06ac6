"""ONNX files, written as protobuf with the field numbers of onnx.proto.

Tests need no `onnx` package for them, and can also write invalid files that a library would refuse to write.
"""

from collections.abc import Mapping

import numpy as np

FLOAT, INT64 = 1, 7
Dim = int | str
ONNX_17: Mapping[str, int] = {"": 17}


def varint(number: int) -> bytes:
    """Return a number as a protobuf varint, with 7 bits in each byte."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | str | bytes) -> bytes:
    """Return one protobuf field: a number as varint, a text or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def value_info(name: str, kind: int, dims: list[Dim]) -> bytes:
    """Return the name, type and shape of an input or output."""
    shape = b"".join(field(1, field(1 if isinstance(dim, int) else 2, dim)) for dim in dims)
    tensor = field(1, kind) + field(2, shape)  # elem_type, shape
    return field(1, name) + field(2, field(1, tensor))  # name, type.tensor_type


def node(kind: str, inputs: list[str], outputs: str, attributes: bytes = b"", *, domain: str = "") -> bytes:
    """Return one operator. ``outputs`` are separated by spaces, ``attributes`` come from `attribute`."""
    named = field(7, domain) if domain else b""
    ends = [field(1, name) for name in inputs] + [field(2, name) for name in outputs.split()]
    return b"".join(ends) + field(4, kind) + attributes + named


def attribute(name: str, number: int, value: int | bytes, kind: int) -> bytes:
    """Return one attribute of a node: its field ``number`` holds the value, ``kind`` is its AttributeType."""
    return field(5, field(1, name) + field(number, value) + field(20, kind))


def float_tensor(name: str, array: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bytes:
    """Return a float32 tensor with its data."""
    dims = b"".join(field(1, dim) for dim in array.shape)
    return dims + field(2, FLOAT) + field(8, name) + field(9, array.astype("<f4").tobytes())


def int64_tensor(name: str, values: list[int]) -> bytes:
    """Return an int64 tensor of one dimension with its data."""
    data = np.array(values, "<i8").tobytes()
    return field(1, len(values)) + field(2, INT64) + field(8, name) + field(9, data)


def external_tensor(name: str, dims: list[int], location: str) -> bytes:
    """Return a tensor whose data is in another file, as in graphs above 2 GB."""
    entry = field(1, "location") + field(2, location)
    head = b"".join(field(1, dim) for dim in dims) + field(2, FLOAT) + field(8, name)
    return head + field(13, entry) + field(14, 1)  # external_data, data_location EXTERNAL


def graph(
    nodes: list[bytes], tensors: list[bytes], inputs: list[bytes], outputs: list[bytes], more: bytes = b""
) -> bytes:
    """Return a GraphProto; ``more`` are further fields of it."""
    body = b"".join(field(1, node) for node in nodes) + field(2, "tiny")
    body += b"".join(field(5, tensor) for tensor in tensors)
    return (
        body + b"".join(field(11, value) for value in inputs) + b"".join(field(12, value) for value in outputs) + more
    )


def model_of(body: bytes, *, ir: int = 8, opsets: Mapping[str, int] = ONNX_17, more: bytes = b"") -> bytes:
    """Return a ModelProto around a graph; ``more`` are further fields of it."""
    imports = b"".join(field(8, field(1, domain) + field(2, version)) for domain, version in opsets.items())
    return field(1, ir) + field(7, body) + imports + more  # ir_version, graph, opset_import


def model(nodes: list[bytes], tensors: list[bytes], inputs: list[bytes], outputs: list[bytes]) -> bytes:
    """Return a ModelProto of opset 17."""
    return model_of(graph(nodes, tensors, inputs, outputs))
