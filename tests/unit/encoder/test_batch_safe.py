"""The rows of a package that is not safe in batches run one by one, so no answer depends on the batch composition.

The graph quantizes its activations dynamically, as every `int8-dynamic` package does. The scale is that of the largest
number in the batch, so a row with large numbers makes the other rows coarse.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.settings import StoreSettings
from tests.support.attempts import make_attempt
from tests.support.onnx_bytes import FLOAT, INT64, float_tensor, model, node, value_info
from tests.support.tasks import complete
from tests.support.tiny_package import WORDS, token_vectors, write_package
from workers.encoder.tasks import ENCODER
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.models.loading import Loader
from workers.runtime.settings import WorkerSettings

SIZE = 8
LOUD = "w7"
TEXTS = [f"w{number} w{number + 40}" for number in range(10, 30)]


def dynamic_int8_graph() -> bytes:
    table = token_vectors(SIZE)
    table[WORDS.index(LOUD)] *= 300
    nodes = [
        node("Gather", ["table", "input_ids"], "vectors"),
        node("DynamicQuantizeLinear", ["vectors"], "whole scale zero"),
        node("DequantizeLinear", ["whole", "scale", "zero"], "last_hidden_state"),
    ]
    ids = value_info("input_ids", INT64, ["rows", "tokens"])
    output = value_info("last_hidden_state", FLOAT, ["rows", "tokens", SIZE])
    return model(nodes, [float_tensor("table", table)], [ids], [output])


class Worker:
    """The package on an engine, with or without ``batch_safe = false`` in its manifest."""

    def __init__(self, parent: Path, *, batch_safe: bool) -> None:
        write_package(parent / "quantised", graph=dynamic_int8_graph(), normalize=False, batch_safe=batch_safe)
        self.engine = BatchingEngine()
        settings = WorkerSettings(StoreSettings(), models_dir=(parent,))
        self.models = Loader(ENCODER, settings, self.engine).load_all()

    def ask(self, inputs: Any) -> Any:
        attempt = make_attempt(json.dumps({"inputs": inputs}).encode(), model="quantised")
        model = self.models.get("quantised")
        assert model is not None
        return np.array(json.loads(complete(model.start(attempt).task).output))

    def isolated(self) -> Any:
        return np.stack([self.ask(text) for text in TEXTS])


def test_answers_of_the_graph_depend_on_the_batch_composition(tmp_path: Path) -> None:
    """The package is not marked as unsafe here. This is why the mark exists."""
    worker = Worker(tmp_path, batch_safe=True)
    together = worker.ask([*TEXTS, f"{LOUD} {LOUD}"])[: len(TEXTS)]
    assert np.abs(together - worker.isolated()).max() > 0.1


@pytest.mark.parametrize("one_job", [True, False])
def test_rows_of_a_package_that_is_not_batch_safe_run_one_by_one(tmp_path: Path, one_job: bool) -> None:
    worker = Worker(tmp_path, batch_safe=False)
    isolated = worker.isolated()
    texts = [*TEXTS, f"{LOUD} {LOUD}"]
    if one_job:
        together = worker.ask(texts)
    else:
        with ThreadPoolExecutor(len(texts)) as pool:
            together = np.stack(list(pool.map(worker.ask, texts)))
    np.testing.assert_array_equal(together[: len(TEXTS)], isolated)
    assert worker.engine.figures().num_batches == worker.engine.figures().num_rows == len(TEXTS) + len(texts)
