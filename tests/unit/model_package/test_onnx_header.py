"""The reader of ONNX files finds every file that a graph would open, and survives any bytes."""

import os
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.model_package.files import PackageError
from contracts.model_package.onnx_header import MAX_DEPTH, MAX_FIELDS, OnnxHeader, read_header
from tests.support.onnx_bytes import external_tensor, field, float_tensor, graph, model_of, node, varint
from tests.support.paths import ROOT
from tests.support.tiny_package import graph_of

OUTSIDE = external_tensor("weights", [2], "../secret")
NAMED_TWICE = field(1, "offset") + field(1, "location") + field(2, "x") + field(2, "../secret")
SPARSE_VALUES, SPARSE_INDICES = field(1, OUTSIDE), field(2, OUTSIDE)


def header_of(folder: Path, data: bytes) -> OnnxHeader:
    path = folder / "model.onnx"
    path.write_bytes(data)
    return read_header(path)


def with_attribute(value: bytes) -> bytes:
    return graph([node("Constant", [], "y", field(5, value))], [], [], [])


def nested(levels: int) -> bytes:
    """Return a graph that is nested so many levels deep, each time in an attribute of a node."""
    body = graph([], [OUTSIDE], [], [])
    for _ in range(levels):
        body = with_attribute(field(6, body))
    return body


def test_the_header_of_a_real_graph_is_read() -> None:
    header = read_header(ROOT / "onnx_models" / "packages" / "starter-embed" / "model.onnx")
    assert (header.ir_version, header.opsets, set(header.domains), header.external_files) == (
        8,
        {("", 18)},
        {""},
        set(),
    )


@pytest.mark.parametrize(
    "data",
    [
        model_of(graph([], [OUTSIDE], [], [])),
        model_of(graph([], [], [], [], field(15, SPARSE_VALUES))),
        model_of(graph([], [], [], [], field(15, SPARSE_INDICES))),
        model_of(with_attribute(field(5, OUTSIDE))),
        model_of(with_attribute(field(10, OUTSIDE))),
        model_of(with_attribute(field(22, SPARSE_VALUES))),
        model_of(with_attribute(field(23, SPARSE_INDICES))),
        model_of(with_attribute(field(6, graph([], [OUTSIDE], [], [])))),
        model_of(with_attribute(field(11, graph([], [], [], [], field(15, SPARSE_VALUES))))),
        model_of(nested(20)),
        model_of(b"", more=field(25, field(7, node("Constant", [], "y", field(5, field(5, OUTSIDE)))))),
        model_of(b"", more=field(25, field(11, field(5, OUTSIDE)))),
        model_of(b"", more=field(20, field(1, graph([], [OUTSIDE], [], [])))),
        model_of(b"", more=field(20, field(2, graph([], [OUTSIDE], [], [])))),
        field(7, graph([], [OUTSIDE], [], [])) + model_of(graph([], [], [], [])),
        model_of(graph([], [OUTSIDE + field(13, field(1, "location") + field(2, "honest"))], [], [])),
        model_of(graph([], [field(13, NAMED_TWICE)], [], [])),
    ],
    ids=[
        "initializer", "sparse values", "sparse indices", "attribute", "attributes", "sparse attribute",
        "sparse attributes", "subgraph", "subgraphs", "20 deep", "function", "default of a function",
        "training, first", "training, step", "of two graphs", "of two locations", "named twice",
    ],
)  # fmt: skip
def test_external_data_is_found_wherever_it_is_named(tmp_path: Path, data: bytes) -> None:
    assert "../secret" in header_of(tmp_path, data).external_files


def test_versions_and_domains_are_found_wherever_they_are_named(tmp_path: Path) -> None:
    inner = graph([node("Odd", ["x"], "y", domain="org.odd")], [], [], [])
    function = field(9, field(1, "org.function") + field(2, 3)) + field(7, node("Inner", [], "z", domain="org.inner"))
    data = model_of(
        with_attribute(field(6, inner)), ir=9, opsets={"ai.onnx": 20, "org.odd": 1}, more=field(25, function)
    )
    header = header_of(tmp_path, data)
    assert header.ir_version == 9
    assert header.opsets == {("", 20), ("org.odd", 1), ("org.function", 3)}
    assert header.domains == {"": "Constant", "org.odd": "Odd", "org.inner": "Inner"}


def test_weights_are_skipped_without_being_read(tmp_path: Path) -> None:
    num_bytes = 3 << 30  # a hole in the file: nothing is written
    tensor = field(8, "table") + varint(9 << 3 | 2) + varint(num_bytes)
    body = varint(5 << 3 | 2) + varint(len(tensor) + num_bytes) + tensor
    path = tmp_path / "model.onnx"
    path.write_bytes(field(1, 8) + varint(7 << 3 | 2) + varint(len(body) + num_bytes) + body)
    with path.open("r+b") as file:
        file.seek(num_bytes, os.SEEK_END)
        file.write(field(8, field(1, "") + field(2, 17)))
    before = psutil.Process().io_counters().read_chars
    assert read_header(path).opsets == {("", 17)}
    assert psutil.Process().io_counters().read_chars - before < 1_000_000


HOSTILE = {
    "a length beyond the end": (field(1, 8) + b"\x3a\x7f", "127 bytes where the Model has 0"),
    "a length of 2^63": (b"\x3a" + b"\xff" * 8 + b"\x7f", "bytes where the Model has 0"),
    "a length of 10 bytes": (b"\x3a" + b"\xff" * 9 + b"\x01", "bytes where the Model has 0"),
    "a number of 11 bytes": (b"\x08" + b"\xff" * 10 + b"\x01", "a number of more than 10 bytes"),
    "a number without end": (b"\x08\xff\xff", "the file ends in the middle of a field"),
    "nothing after a tag": (b"\x08", "the file ends in the middle of a field"),
    "a fixed number cut off": (b"\x09\x01", "longer than its Model"),
    "field number 0": (b"\x00\x01", "a field without a number"),
    "a group": (b"\x0b\x0c", "a field of unknown type 3"),
    "wire type 7": (b"\x0f", "a field of unknown type 7"),
    "an inner length beyond its message": (field(7, b"\x2a\x7f"), "127 bytes where the Graph has 0"),
    "a number that leaves its message": (field(7, b"\x10\xff") + b"\x01", "longer than its Graph"),
    "too deep": (model_of(nested(MAX_DEPTH)), "nested messages"),
    "a long name": (model_of(graph([], [external_tensor("w", [1], "a" * 9999)], [], [])), "a name of 9999 bytes"),
    "a name that is not UTF-8": (field(8, field(1, b"\xff\xfe")), "a name that is not UTF-8"),
    "many files": (
        model_of(graph([], [external_tensor("w", [1], f"{number}") for number in range(1001)], [], [])),
        "more than 1000 operator sets, domains or files",
    ),
    "many domains": (
        model_of(graph([node("A", [], "y", domain=f"d{n}") for n in range(1001)], [], [], [])),
        "more than",
    ),
    "many opsets": (b"".join(field(8, field(2, number)) for number in range(1001)), "more than 1000 operator sets"),
    "many fields": (b"\x08\x08" * (MAX_FIELDS + 1), f"more than {MAX_FIELDS} fields"),
    "html": (b"<html><body>Not found</body></html>", "not an ONNX graph"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(PackageError) as caught:
        header_of(tmp_path, data)
    assert message in str(caught.value) and str(tmp_path / "model.onnx") in str(caught.value)


def test_a_version_of_10_bytes_is_a_number(tmp_path: Path) -> None:
    assert header_of(tmp_path, b"\x08" + b"\xff" * 9 + b"\x01").ir_version == 2**64 - 1  # -1 as protobuf writes it


def test_a_graph_cut_off_anywhere_is_refused_or_is_less_of_a_graph(tmp_path: Path) -> None:
    body = graph([node("Gather", ["t", "i"], "o")], [OUTSIDE, float_tensor("t", np.ones((2, 2), np.float32))], [], [])
    data = model_of(body)
    whole = header_of(tmp_path, data)
    for end in range(len(data)):
        try:
            part = header_of(tmp_path, data[:end])
        except PackageError:
            continue
        assert part != whole and part.external_files <= whole.external_files and part.opsets <= whole.opsets


REAL = model_of(graph([node("If", ["c"], "y", field(5, field(6, nested(3))))], [OUTSIDE], [], [])) + graph_of(
    "classify", 3
)
EDITS = st.lists(
    st.tuples(st.integers(0, len(REAL) - 1), st.integers(0, 3), st.binary(max_size=12)), min_size=1, max_size=6
)


def edited(edits: list[tuple[int, int, bytes]]) -> bytes:
    data = bytearray(REAL)
    for position, num_removed, new in edits:
        data[position : position + num_removed] = new
    return bytes(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=600)
@given(data=st.one_of(st.binary(max_size=400), EDITS.map(edited)))
@example(data=b"")
@example(data=b"\x3a" * 50_000)
@example(data=b"\x0a\x00" * 50_000)
def test_any_bytes_are_a_header_or_a_clear_refusal(folder: Path, data: bytes) -> None:
    try:
        assert isinstance(header_of(folder, data), OnnxHeader)
    except PackageError as error:
        assert str(error).startswith(f"{folder / 'model.onnx'}: not an ONNX graph")
