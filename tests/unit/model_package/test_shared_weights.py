"""Weights that all graphs of a package have are loaded once and shared; each graph loads the others by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from contracts.model_package.onnx_header import LARGE_BYTES, read_header
from tests.support.onnx_bytes import field, float_tensor, model, node, value_info
from workers.runtime.inference.session import Session
from workers.runtime.inference.shared_weights import shared_weights

FLOAT = 1
ROWS = LARGE_BYTES // 4 // 16
TABLE = np.arange(ROWS * 16, dtype=np.float32).reshape(ROWS, 16)


def write_adding_graph(path: Path, weights: npt.NDArray[np.float32], name: str = "table") -> Path:
    """Write a graph that adds its weights to its input."""
    ends = [value_info(end, FLOAT, list(weights.shape)) for end in ("x", "y")]
    tensor = float_tensor(name, weights)
    path.write_bytes(model([node("Add", ["x", name], "y")], [tensor], ends[:1], ends[1:]))
    return path


def shared(*paths: Path) -> dict[str, Any]:
    return dict(shared_weights([(path, read_header(path)) for path in paths]))


def test_weights_that_are_equal_in_both_graphs_are_loaded_once(tmp_path: Path) -> None:
    one, other = write_adding_graph(tmp_path / "one", TABLE), write_adding_graph(tmp_path / "other", TABLE)
    found = shared(one, other)
    assert np.array_equal(found["table"].numpy(), TABLE)
    for path in (one, other):
        session = Session(path, device="cpu", threads=1, shared=found)
        np.testing.assert_array_equal(session.run(["y"], {"x": np.ones_like(TABLE)})[0], TABLE + 1)  # type: ignore[dict-item]


def test_weights_with_nan_are_compared_by_their_bits(tmp_path: Path) -> None:
    first, second = TABLE.copy(), TABLE.copy()
    first[5, 5] = second[5, 5] = np.nan
    assert shared(write_adding_graph(tmp_path / "one", first), write_adding_graph(tmp_path / "other", second))
    second.view(np.uint32)[5, 5] += 1
    assert not shared(write_adding_graph(tmp_path / "one", first), write_adding_graph(tmp_path / "other", second))


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("another", TABLE),
        ("table", TABLE.reshape(-1, 32)),
        ("table", TABLE + 1),
        ("table", TABLE[:-1]),
    ],
)
def test_weights_that_differ_are_not_shared(tmp_path: Path, name: str, weights: npt.NDArray[np.float32]) -> None:
    assert not shared(
        write_adding_graph(tmp_path / "one", TABLE), write_adding_graph(tmp_path / "other", weights, name)
    )


def test_small_weights_and_weights_of_one_graph_are_not_shared(tmp_path: Path) -> None:
    assert not shared(write_adding_graph(tmp_path / "one", TABLE))
    small = [write_adding_graph(tmp_path / name, TABLE[: ROWS // 2]) for name in ("small", "too")]
    assert not shared(*small)


def test_a_weight_with_less_data_than_its_shape_needs_is_not_shared(tmp_path: Path) -> None:
    """The runtime reports what is wrong with such a graph when it loads it."""
    tensor = field(1, ROWS) + field(1, 17) + field(2, FLOAT) + field(8, "table") + field(9, TABLE.tobytes())
    ends = [value_info(end, FLOAT, [ROWS, 17]) for end in ("x", "y")]
    content = model([node("Add", ["x", "table"], "y")], [tensor], ends[:1], ends[1:])
    paths = [tmp_path / "one", tmp_path / "other"]
    for path in paths:
        path.write_bytes(content)
    assert not shared(*paths)


def test_a_file_that_is_cut_off_after_its_header_was_read_shares_nothing(tmp_path: Path) -> None:
    paths = [write_adding_graph(tmp_path / name, TABLE) for name in ("one", "other")]
    headers = [read_header(path) for path in paths]
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    assert not shared_weights(list(zip(paths, headers, strict=True)))
