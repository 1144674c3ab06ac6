"""A new version that is not valid is refused with one log line, and the old one goes on serving."""

import logging
from pathlib import Path
from typing import Any

import pytest

from contracts.model_package.package import MANIFEST, ModelPackage
from tests.support.tiny_package import tokenizer_json, vectors_graph, write_package
from tests.support.waiting import wait_until
from tests.unit.models.fakes import ServedPackage, assert_answers_as, run_job
from workers.encoder.tasks import ENCODER
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.models.served import ServedModel
from workers.runtime.settings import WorkerSettings


def test_an_invalid_version_is_refused_once_and_served_once_repaired(
    package: ServedPackage, log: pytest.LogCaptureFixture
) -> None:
    package.put("2")
    (package.folder / "model.onnx").write_bytes(b"half of it")
    package.scan(5)
    (record,) = [record for record in log.records if record.levelno >= logging.WARNING]
    assert "new version refused, the old one goes on serving" in record.message
    assert "model.onnx: SHA-256 differs from the manifest" in record.message
    assert_answers_as(run_job(package.served), "1")
    (package.folder / "model.onnx").write_bytes(vectors_graph(2))
    package.scan(2)
    assert_answers_as(run_job(package.served), "2")
    assert package.num_loads == 1


def test_a_slow_copy_is_served_once_it_is_complete(
    package: ServedPackage, log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Files arrive one after the other and bit by bit, the manifest first."""
    new = write_package(tmp_path / "elsewhere" / "tiny", graph=vectors_graph(2), normalize=False, revision="2")
    for name in (MANIFEST, "model.onnx"):
        data = (new / name).read_bytes()
        with (package.folder / name).open("wb") as file:
            for start in range(0, len(data), 700):
                file.write(data[start : start + 700])
                file.flush()
                package.scan(1)
                assert_answers_as(run_job(package.served), "1")
    package.scan(2)
    assert_answers_as(run_job(package.served), "2")
    assert package.num_loads == 1, "an incomplete package must not be loaded"
    refusals = {record.message for record in log.records if record.levelno >= logging.WARNING}
    assert len([record for record in log.records if record.levelno >= logging.WARNING]) == len(refusals) <= 3, refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": b"\x08\x08"}, "it does not say which opset"),
        ({"tokenizer": "{}"}, "not a tokenizer"),
        ({"size": 5}, "rows of shape [8], the manifest says [5]"),
        ({"family": "decoder"}, "its family is 'decoder', and this is the encoder worker"),
        ({"task": "question-answer"}, "this worker has no code for the task 'question-answer'"),
        ({"task": "classify", "graph": None}, "its task was embed and is classify; restart the worker"),
        ({"name": "other"}, "the manifest's name is 'other', not that of the folder"),
        ({"max_tokens": 3000}, "batching.max_batch_tokens is 512, but one input may have 3000"),
        ({"licence": 5}, "licence"),
    ],
)
def test_whatever_is_wrong_with_a_version_the_old_one_stays(
    package: ServedPackage, log: pytest.LogCaptureFixture, changes: dict[str, Any], message: str
) -> None:
    package.put("2", **changes)
    package.scan(4)
    (record,) = [record for record in log.records if record.levelno >= logging.WARNING]
    assert message in record.message
    assert package.num_loads <= 1 and package.num_swaps == 0
    assert_answers_as(run_job(package.served), "1")
    package.put("3")
    package.scan(2)
    assert_answers_as(run_job(package.served), "3")


def test_an_unexpected_error_is_logged_and_the_old_version_stays(
    package: ServedPackage, log: pytest.LogCaptureFixture
) -> None:
    package.load = lambda *_: 1 // 0  # type: ignore[assignment,return-value]
    package.put("2")
    package.scan(3)
    assert log.text.count("Traceback") == 1 and log.text.count("new version refused") == 1
    assert_answers_as(run_job(package.served), "1")


def test_a_package_that_changes_while_it_is_loaded_is_loaded_again(
    package: ServedPackage, log: pytest.LogCaptureFixture
) -> None:
    """What was hashed and what was loaded may then be different files."""

    def load(opened: ModelPackage, settings: WorkerSettings, engine: BatchingEngine) -> ServedModel:
        if package.num_loads == 1:
            # Another file, because a clock that ticks every few milliseconds may give a file written over its old time.
            (opened.path / "new").write_text(tokenizer_json())
            (opened.path / "new").replace(opened.path / "tokenizer.json")
        return ENCODER.load(opened, settings, engine)

    package.load = load
    package.put("2")
    package.scan(1)
    assert "the package was changed while it was loaded" in log.text
    assert_answers_as(run_job(package.served), "1")
    package.scan(2)
    assert_answers_as(run_job(package.served), "2")


def test_a_scan_on_request_tries_refused_versions_again(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """With a period of 0 there are no other scans."""
    package = ServedPackage(tmp_path, period_s=0)
    package.watcher.start()
    package.put("2", tokenizer="{}")
    package.watcher.scan_soon()
    wait_until(lambda: log.text.count("new version refused") == 1, "the first scan did not run")
    package.watcher.scan_soon()
    wait_until(lambda: log.text.count("new version refused") == 2, "the second scan did not run")
    package.put("3")
    package.watcher.scan_soon()
    wait_until(lambda: package.revision == "3", "the third scan did not run")
    assert package.watcher.stop(20)
