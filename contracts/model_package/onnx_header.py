"""What an ONNX file says of itself, read from its bytes: versions, operators' domains, files that it wants to read.

A reader of protobuf's wire format (protobuf.dev, "Encoding") that knows only the fields of onnx.proto which matter
here and steps over everything else, weights included, without reading it. So a graph of gigabytes is looked at in
milliseconds, before ONNX Runtime sees it and without the `onnx` package.

The file is read by position and not mapped into memory: one that is cut off by somebody else while it is read is an
error here, and would be a SIGBUS, the end of the process, in a mapping.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from contracts.model_package.files import PackageError, open_plain

MAX_DEPTH = 100
"""Messages inside each other; protobuf's own readers stop there, too."""
MAX_FIELDS = 2_000_000
"""Of which a file may consist, so that looking at it ends: graphs of large decoders have some 100,000."""
MAX_TEXT_BYTES = 4096
LARGE_BYTES = 1 << 20
MAX_NAMES = 1000
"""Different file names, domains and versions of operators that one graph may name."""
_WINDOW_BYTES = 1 << 16
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Messages of onnx.proto by the numbers of their fields.
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
"""Of a tensor."""
_INITIALIZER_DEPTH = 2
"""Messages around a tensor that is a weight of the graph itself: the model and the graph."""


class Weight(NamedTuple):
    """Where the bytes of a large weight lie in the file."""

    element_type: int
    """Of onnx.proto's TensorProto.DataType."""
    dims: tuple[int, ...]
    offset: int
    num_bytes: int


class OnnxHeader(NamedTuple):
    """What the file says, wherever in it: subgraphs and functions have their own operators and weights."""

    ir_version: int
    opsets: set[tuple[str, int]]
    """Imported operator sets, as domain and version."""
    domains: dict[str, str]
    """Domains of the operators in use, each with one operator of it."""
    external: set[str]
    """Files that hold weights, as the graph names them."""
    weights: dict[str, Weight]
    """Weights of the graph itself, of ``LARGE_BYTES`` and more, by name."""


def read_header(path: Path) -> OnnxHeader:
    """Read what a graph file says of itself.

    Raises:
        PackageError: the bytes are no ONNX graph, or one that is beyond the limits above.
    """
    with open_plain(path) as file:
        walk = _Walk(_Bytes(file.fileno(), str(path)))
        while walk.step():
            pass
        return walk.header


class _Bytes:
    """The file's bytes in order, by way of a window that moves along."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self.size = os.fstat(descriptor).st_size
        self.position = 0
        self._window = b""
        self._start = 0

    def fault(self, what: str) -> PackageError:
        return PackageError(f"{self._name}: not an ONNX graph that can be served: {what} at byte {self.position}")

    def _byte(self) -> int:
        offset = self.position - self._start
        if not 0 <= offset < len(self._window):
            self._window = os.pread(self._descriptor, _WINDOW_BYTES, self.position)
            self._start, offset = self.position, 0
            if not self._window:
                raise self.fault("the file ends in the middle of a field")
        self.position += 1
        return self._window[offset]

    def varint(self) -> int:
        """Read an unsigned number of up to 64 bits in up to 10 bytes, 7 bits each."""
        value = shift = 0
        while (byte := self._byte()) > 0x7F:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise self.fault("a number of more than 10 bytes")
        return (value | byte << shift) & 0xFFFFFFFFFFFFFFFF

    def text(self, num_bytes: int) -> str:
        if num_bytes > MAX_TEXT_BYTES:
            raise self.fault(f"a name of {num_bytes} bytes")
        data = os.pread(self._descriptor, num_bytes, self.position)
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise self.fault("a name that is no text") from error
        self.position += num_bytes
        return text


class _Message(NamedTuple):
    """A message that is being read: its type, the byte after it, and the fields that were kept."""

    kind: str
    end: int
    values: dict[str, Any]


class _Walk:
    """Goes through the messages of a file with a stack of its own, so that depth can't end the process."""

    def __init__(self, data: _Bytes) -> None:
        self.header = OnnxHeader(0, set(), {}, set(), {})
        self._data = data
        self._open = [_Message("Model", data.size, {})]
        self._num_fields = 0

    def step(self) -> bool:
        """Read one field, or close the message that ends here; return whether anything is left."""
        message = self._open[-1]
        if self._data.position >= message.end:
            self._close(self._open.pop())
            return bool(self._open)
        self._num_fields += 1
        if self._num_fields > MAX_FIELDS:
            raise self._data.fault(f"more than {MAX_FIELDS} fields")
        tag = self._data.varint()
        self._field(message, tag >> 3, tag & 7)
        if self._data.position > message.end:
            raise self._data.fault(f"a field that is longer than its {message.kind}")
        return True

    def _field(self, message: _Message, number: int, wire_type: int) -> None:
        data = self._data
        if number == 0:
            raise data.fault("a field without a number")
        if wire_type == _VARINT:
            value = data.varint()
            if name := _NUMBERS.get(message.kind, {}).get(number):
                message.values[name] = (*message.values.get(name, ()), value) if name == "dims" else value
        elif wire_type == _BYTES:
            self._lengthy_field(message, number, data.varint())
        elif wire_type in (_FIXED64, _FIXED32):
            data.position += 8 if wire_type == _FIXED64 else 4
        else:
            raise data.fault(f"a field of unknown type {wire_type}")

    def _lengthy_field(self, message: _Message, number: int, num_bytes: int) -> None:
        """Enter a message, keep a text, or step over what is neither."""
        end = self._data.position + num_bytes
        if end > message.end:
            raise self._data.fault(f"{num_bytes} bytes where the {message.kind} has {message.end - end + num_bytes}")
        if kind := _MESSAGES[message.kind].get(number):
            if len(self._open) >= MAX_DEPTH:
                raise self._data.fault(f"more than {MAX_DEPTH} messages inside each other")
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
        elif kind == "Node":
            header.domains.setdefault(_named(values), values.get("type", ""))
        elif kind == "StringStringEntry" and values.get("key", "") == "location":
            header.external.add(values.get("value", ""))
        elif kind == "Tensor" and len(self._open) == _INITIALIZER_DEPTH and "name" in values:
            offset, num_bytes = values.get("raw", (0, 0))
            if num_bytes >= LARGE_BYTES:
                weight = Weight(values.get("type", 0), values.get("dims", ()), offset, num_bytes)
                header.weights[values["name"]] = weight
        if max(len(header.opsets), len(header.domains), len(header.external)) > MAX_NAMES:
            raise self._data.fault(f"more than {MAX_NAMES} operator sets, domains or files")


def _named(values: dict[str, Any]) -> str:
    """Return a domain; ONNX's own has an empty name and a long one."""
    domain = str(values.get("domain", ""))
    return "" if domain == "ai.onnx" else domain
