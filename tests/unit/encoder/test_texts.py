"""The usage of tasks on text: tokens of the inputs, and tokens that the model used."""

from pathlib import Path

from contracts.jobs import Usage
from contracts.model_package.package import load_package
from contracts.settings import StoreSettings
from tests.support.attempts import make_attempt
from tests.support.tasks import complete
from tests.support.tiny_package import vectors_graph, write_package
from workers.encoder.tasks import open_encoder
from workers.encoder.texts import infer_texts
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.settings import WorkerSettings


def test_usage_counts_the_tokens_of_the_inputs_and_those_that_were_used(tmp_path: Path) -> None:
    package = load_package(write_package(tmp_path / "tiny", graph=vectors_graph(1), max_tokens=6))
    model = open_encoder(package, WorkerSettings(StoreSettings()))
    work = BatchWork(BatchingEngine(), make_attempt())
    vectors, usage = complete(infer_texts(model, work, ["w1 w2", "w1 w2 w3 w4", "w1 w2 w3 w4 w5 w6"], "left"))
    assert [vector.shape for vector in vectors] == [(8,)] * 3
    assert usage == Usage(items=3, tokens_in=4 + 6 + 8, tokens_used=4 + 6 + 6, truncated_items=1)
