"""An embedder whose graph returns one vector for each row, as CLIP's text tower does, is served without pooling."""

from pathlib import Path

import numpy as np
import pytest

from contracts.model_package.package import PackageError, load_package
from contracts.settings import StoreSettings
from tests.support.onnx_bytes import FLOAT, INT64, attribute, float_tensor, int64_tensor, model, node, value_info
from tests.support.tiny_package import WORDS, token_vectors, write_package
from workers.encoder.model import EncoderModel
from workers.encoder.tasks import open_encoder
from workers.runtime.settings import WorkerSettings

SIZE = 8


def second_token_graph() -> bytes:
    """Return a graph that returns the vector of each row's second token."""
    nodes = [
        node("Gather", ["table", "input_ids"], "vectors"),
        node("Gather", ["vectors", "second"], "one", attribute("axis", 3, 1, 2)),
        node("ReduceSum", ["one", "middle"], "text_embeds", attribute("keepdims", 3, 0, 2)),
    ]
    tensors = [float_tensor("table", token_vectors(SIZE)), int64_tensor("second", [1]), int64_tensor("middle", [1])]
    ids = value_info("input_ids", INT64, ["rows", "tokens"])
    return model(nodes, tensors, [ids], [value_info("text_embeds", FLOAT, ["rows", SIZE])])


def loaded(folder: Path) -> EncoderModel:
    found = open_encoder(load_package(folder), WorkerSettings(store=StoreSettings(), models_dir=(folder.parent,)))
    found.warm_up()
    return found


def test_vectors_are_the_graphs_own(tmp_path: Path) -> None:
    encoder = loaded(write_package(tmp_path / "tower", pooling="none", size=SIZE, graph=second_token_graph()))
    rows = encoder.tokenizer.rows(["w1 w2 w3", "w90"], "error")
    expected = token_vectors(SIZE)[[WORDS.index("w1"), WORDS.index("w90")]]

    np.testing.assert_array_equal(encoder.run(rows), expected)
    np.testing.assert_array_equal(encoder.run(rows[1:]), expected[1:])


def test_a_manifest_that_pools_again_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="last_hidden_state"):
        loaded(write_package(tmp_path / "twice", pooling="mean", size=SIZE, graph=second_token_graph()))


def test_a_manifest_that_forgets_to_pool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="text_embeds"):
        loaded(write_package(tmp_path / "never", pooling="none", size=SIZE))
