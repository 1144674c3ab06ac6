"""The accepted versions are those that ONNX Runtime reads: each bound is checked against the runtime itself."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime
import pytest

from contracts.model_package.onnx_header import read_header
from contracts.model_package.onnx_limits import IR_VERSIONS, OPSETS, find_problem
from tests.support.onnx_bytes import FLOAT, external_tensor, field, graph, model_of, node, value_info

X, Y = value_info("x", FLOAT, [1]), value_info("y", FLOAT, [1])
ONNX_17 = {"": 17}


def tiny(ir: int = 8, opsets: Mapping[str, int] = ONNX_17, operator: str = "Add", *, more: bytes = b"") -> bytes:
    """Return a graph of one operator."""
    return model_of(graph([node(operator, ["x", "x"], "y")], [], [X], [Y]), ir=ir, opsets=opsets, more=more)


def runs(data: bytes) -> bool:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception:  # ONNX Runtime's exceptions have no base class of their own
        return False
    return True


def problem_of(folder: Path, data: bytes, *listed: str) -> str | None:
    (folder / "model.onnx").write_bytes(data)
    return find_problem(read_header(folder / "model.onnx"), listed)


def test_the_runtime_reads_every_accepted_version() -> None:
    assert all(runs(tiny(ir=version)) for version in IR_VERSIONS)
    assert all(runs(tiny(opsets={"": version})) for version in OPSETS[""])
    assert all(
        runs(tiny(opsets={"": 17, domain: version})) for domain in OPSETS if domain for version in OPSETS[domain]
    )


def test_the_runtime_reads_no_newer_version() -> None:
    assert not runs(tiny(ir=IR_VERSIONS.stop))
    for domain, versions in OPSETS.items():
        assert not runs(tiny(opsets={"": 17, domain: versions.stop}))


def test_below_the_oldest_opset_the_runtime_has_no_kernels() -> None:
    assert runs(tiny(opsets={"": OPSETS[""].start}))
    assert not runs(tiny(opsets={"": OPSETS[""].start - 1}))


def test_a_file_older_than_the_oldest_ir_version_has_no_opset_and_is_refused_by_the_runtime() -> None:
    assert not runs(tiny(ir=IR_VERSIONS.start - 1, opsets={}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiny(ir=14), "its IR version is 14; this runtime reads 3 to 13"),
        (tiny(ir=2), "its IR version is 2"),
        (b"", "its IR version is 0"),
        (b"\x08" + b"\xff" * 9 + b"\x01", "its IR version is 18446744073709551615"),
        (tiny(opsets={"": 27}), "its opset of ONNX is 27; this runtime reads 7 to 26"),
        (tiny(opsets={"ai.onnx": 27}), "its opset of ONNX is 27"),
        (tiny(opsets={"": 6}), "its opset of ONNX is 6"),
        (tiny(opsets={}), "which opset of ONNX"),
        (tiny(opsets={"com.microsoft": 1}), "which opset of ONNX"),
        (tiny(opsets={"": 17, "com.microsoft": 2}), "its opset of com.microsoft is 2; this runtime reads 1 to 1"),
        (tiny(more=field(8, field(2, 40))), "its opset of ONNX is 40"),
        (tiny(opsets={"": 17, "org.pytorch.aten": 1}), "it imports operators of 'org.pytorch.aten', which no worker"),
        (model_of(graph([node("Magic", ["x"], "y", domain="org.magic")], [], [X], [Y])), "its operator 'Magic' is of"),
    ],
)
def test_a_graph_outside_the_runtimes_range_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    found = problem_of(tmp_path, data)
    assert found is not None and message in found


def test_weights_may_be_in_listed_files_only(tmp_path: Path) -> None:
    names = ["../secret", "/etc/passwd", "link/weights", "./w.bin", "", "*/_ORT_MEM_ADDR_/*", "W.bin"]
    for name in names:
        data = model_of(graph([], [external_tensor("w", [1], name)], [], []))
        assert problem_of(tmp_path, data, "model.onnx", "w.bin") == (
            f"it keeps weights in {name!r}, which the manifest's [files] does not list"
        )
    assert problem_of(tmp_path, model_of(graph([], [external_tensor("w", [1], "w.bin")], [], [])), "w.bin") is None
