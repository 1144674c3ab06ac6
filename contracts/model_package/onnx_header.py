"""Reads the header facts of an ONNX file from its bytes: versions, domains of operators, files with weights.

This is a reader of protobuf's wire format (protobuf.dev, "Encoding"). It knows only those fields of onnx.proto that
matter here, and skips everything else without reading it, weights included. So a graph of gigabytes is checked in
milliseconds, before ONNX Runtime opens it and without the `onnx` package.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from contracts.model_package.files import PackageError, open_regular

MAX_DEPTH = 100
"""Nested messages; protobuf's own readers have the same limit."""
MAX_FIELDS = 2_000_000
"""Fields in one file. Bounds the time that a hostile file takes; graphs of large decoders have some 100,000."""
MAX_TEXT_BYTES = 4096
LARGE_BYTES = 1 << 20
MAX_NAMES = 1000
"""Different file names, domains and operator sets that one graph may name."""
_BUFFER_BYTES = 1 << 16
# Without groups (3 and 4), which are deprecated in protobuf and do not occur in onnx.proto.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Types of nested messages in onnx.proto, by field number.
_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "OperatorSetId", 20: "TrainingInfo", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "StringStringEntry"},
    "Function": {7: "Node", 9: "OperatorSetId", 11: "Attribute"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "OperatorSetId": {},
    "StringStringEntry": {},
}
_TEXTS = {
    "OperatorSetId": {1: "domain"},
    "StringStringEntry": {1: "key", 2: "value"},
    "Node": {4: "type", 7: "domain"},
    "Tensor": {8: "name"},
}
_NUMBERS = {"Model": {1: "ir_version"}, "OperatorSetId": {2: "version"}, "Tensor": {1: "dims", 2: "type"}}
_RAW_DATA = 9
"""Number of the field with a tensor's bytes."""
_INITIALIZER_DEPTH = 2
"""Messages around a tensor that is a weight of the main graph: the model and the graph."""


class Weight(NamedTuple):
    """Where the bytes of a large weight are in the file."""

    element_type: int
    """A number of onnx.proto's TensorProto.DataType."""
    dims: tuple[int, ...]
    offset: int
    num_bytes: int


class OnnxHeader(NamedTuple):
    """Facts from the whole file: subgraphs and functions have operators and weights of their own."""

    ir_version: int
    opsets: set[tuple[str, int]]
    """Imported operator sets, as domain and version."""
    domains: dict[str, str]
    """Domains of the operators in use, each with the name of one such operator."""
    external_files: set[str]
    """Files that hold weights, as the graph names them."""
    weights: dict[str, Weight]
    """Weights of the main graph that have ``LARGE_BYTES`` or more, by name."""


def read_header(path: Path) -> OnnxHeader:
    """Read the header facts of a graph file.

    Raises:
        PackageError: the bytes are not an ONNX graph, or exceed a limit above.
    """
    with open_regular(path) as file:
        parser = _Parser(_Bytes(file.fileno(), str(path)))
        while parser.step():
            pass
        return parser.header


class _Bytes:
    """Reads a file in order, through a buffer."""

    def __init__(self, descriptor: int, name: str) -> None:
        # The file is read by position and not mapped into memory. If somebody truncates it meanwhile, a read is an
        # error, but an access to a mapping would be a SIGBUS, which ends the process.
        self._descriptor = descriptor
        self._name = name
        self.size = os.fstat(descriptor).st_size
        self.position = 0
        self._buffer = b""
        self._start = 0

    def error(self, what: str) -> PackageError:
        return PackageError(f"{self._name}: not an ONNX graph that can be served: {what} at byte {self.position}")

    def _byte(self) -> int:
        offset = self.position - self._start
        # A field that was skipped may have moved the position far beyond the buffer.
        if not 0 <= offset < len(self._buffer):
            self._buffer = os.pread(self._descriptor, _BUFFER_BYTES, self.position)
            self._start, offset = self.position, 0
            if not self._buffer:
                raise self.error("the file ends in the middle of a field")
        self.position += 1
        return self._buffer[offset]

    def varint(self) -> int:
        """Read an unsigned number of up to 64 bits in up to 10 bytes, 7 bits each."""
        value = shift = 0
        while (byte := self._byte()) > 0x7F:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise self.error("a number of more than 10 bytes")
        # Ten bytes have room for 70 bits. protobuf's own readers drop those beyond 64, too.
        return (value | byte << shift) & 0xFFFFFFFFFFFFFFFF

    def text(self, num_bytes: int) -> str:
        if num_bytes > MAX_TEXT_BYTES:
            raise self.error(f"a name of {num_bytes} bytes")
        data = os.pread(self._descriptor, num_bytes, self.position)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise self.error("a name that is not UTF-8") from error
        self.position += num_bytes
        return text


class _Message(NamedTuple):
    """An open message: its type, the position after its last byte, and the fields that were kept."""

    kind: str
    end: int
    values: dict[str, Any]


class _Parser:
    """Goes through the messages of a file."""

    def __init__(self, data: _Bytes) -> None:
        self.header = OnnxHeader(0, set(), {}, set(), {})
        self._data = data
        # On a list and not on Python's call stack, which a deeply nested file could overflow.
        self._open = [_Message("Model", data.size, {})]
        self._num_fields = 0

    def step(self) -> bool:
        """Read one field, or close the message that ends here; return False at the end of the file."""
        message = self._open[-1]
        if self._data.position >= message.end:
            self._close(self._open.pop())
            return bool(self._open)
        self._num_fields += 1
        if self._num_fields > MAX_FIELDS:
            raise self._data.error(f"more than {MAX_FIELDS} fields")
        tag = self._data.varint()
        self._field(message, tag >> 3, tag & 7)
        if self._data.position > message.end:
            raise self._data.error(f"a field that is longer than its {message.kind}")
        return True

    def _field(self, message: _Message, number: int, wire_type: int) -> None:
        data = self._data
        if number == 0:
            raise data.error("a field without a number")
        if wire_type == _VARINT:
            value = data.varint()
            if name := _NUMBERS.get(message.kind, {}).get(number):
                message.values[name] = (*message.values.get(name, ()), value) if name == "dims" else value
        elif wire_type == _BYTES:
            self._length_delimited(message, number, data.varint())
        elif wire_type in (_FIXED64, _FIXED32):
            # Possibly beyond the end of the message, which `step` checks after each field.
            data.position += 8 if wire_type == _FIXED64 else 4
        else:
            raise data.error(f"a field of unknown type {wire_type}")

    def _length_delimited(self, message: _Message, number: int, num_bytes: int) -> None:
        """Open a message, keep a text, or skip the field."""
        end = self._data.position + num_bytes
        # Lengths come from the file. A length beyond the message would move the position into another one.
        if end > message.end:
            raise self._data.error(f"{num_bytes} bytes where the {message.kind} has {message.end - end + num_bytes}")
        if kind := _MESSAGES[message.kind].get(number):
            if len(self._open) >= MAX_DEPTH:
                raise self._data.error(f"more than {MAX_DEPTH} nested messages")
            self._open.append(_Message(kind, end, {}))
        elif name := _TEXTS.get(message.kind, {}).get(number):
            message.values[name] = self._data.text(num_bytes)
        else:
            if message.kind == "Tensor" and number == _RAW_DATA:
                message.values["raw"] = self._data.position, num_bytes
            self._data.position = end

    def _close(self, message: _Message) -> None:
        kind, values, header = message.kind, message.values, self.header
        if kind == "Model":
            self.header = header._replace(ir_version=values.get("ir_version", 0))
        elif kind == "OperatorSetId":
            header.opsets.add((_named(values), values.get("version", 0)))
        # Any operator of a domain will do as an example for an error, so one is kept and not a million.
        elif kind == "Node":
            header.domains.setdefault(_named(values), values.get("type", ""))
        elif kind == "StringStringEntry" and values.get("key", "") == "location":
            header.external_files.add(values.get("value", ""))
        elif kind == "Tensor" and len(self._open) == _INITIALIZER_DEPTH and "name" in values:
            offset, num_bytes = values.get("raw", (0, 0))
            if num_bytes >= LARGE_BYTES:
                weight = Weight(values.get("type", 0), values.get("dims", ()), offset, num_bytes)
                header.weights[values["name"]] = weight
        if max(len(header.opsets), len(header.domains), len(header.external_files)) > MAX_NAMES:
            raise self._data.error(f"more than {MAX_NAMES} operator sets, domains or files")


def _named(values: dict[str, Any]) -> str:
    """Return a domain. ONNX's own has two names: an empty one and a long one."""
    domain = str(values.get("domain", ""))
    return "" if domain == "ai.onnx" else domain
