"""Which packages of a folder a worker serves: the folder is shared with workers of other families and other tasks."""

import logging
from pathlib import Path
from typing import Any

import pytest

from contracts.model_package.graphs import TextEncoder
from contracts.model_package.manifest import Batching, Limits, Manifest
from contracts.model_package.package import PackageError
from contracts.model_package.tasks import Embed, EmbedTask
from contracts.settings import StoreSettings
from tests.support.tiny_package import graph_of, write_package
from workers.encoder.tasks import ENCODER
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.inference.budget import ONE_ROW, num_cache_slots, token_budget
from workers.runtime.models.loading import Loader, NothingToServe
from workers.runtime.models.versions import Models
from workers.runtime.settings import WorkerSettings

FOREIGN: dict[str, dict[str, Any]] = {
    "of another family": {"family": "decoder"},
    "of another task": {"task": "question-answer"},
    "of another kind": {"graph_kind": "image-encoder"},
}


def load(folder: Path, *names: str, **settings: Any) -> Models:
    worker_settings = WorkerSettings(StoreSettings(), models_dir=(folder,), models=names, **settings)
    return Loader(ENCODER, worker_settings, BatchingEngine()).load_all()


def write(folder: Path, **changes: Any) -> Path:
    kind = changes.pop("graph_kind", None)
    path = write_package(folder, **changes)
    if kind:
        manifest = path / "manifest.toml"
        manifest.write_text(manifest.read_text().replace('"text-encoder"', f'"{kind}"'))
    return path


@pytest.mark.parametrize("kind", FOREIGN)
def test_packages_for_other_workers_are_skipped_with_a_log_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    write(tmp_path / "ours")
    foreign = write(tmp_path / "theirs", **FOREIGN[kind])
    (foreign / "model.onnx").unlink()  # a worker does not read files of packages that it skips
    with caplog.at_level(logging.DEBUG, "workers.runtime.models.loading"):
        assert load(tmp_path).names() == ["ours"]
    (record,) = caplog.records
    assert (record.message, vars(record)["package"]) == ("package skipped", "theirs")
    assert vars(record)["reason"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "of another task",
            "no code for the task 'question-answer' with a graph of kind 'text-encoder'; it serves classify, ",
        ),
        ("of another kind", "no code for the task 'embed' with a graph of kind 'image-encoder'"),
    ],
)
def test_a_named_package_for_other_workers_is_refused(tmp_path: Path, kind: str, message: str) -> None:
    write(tmp_path / "ours")
    write(tmp_path / "theirs", **FOREIGN[kind])
    with pytest.raises(PackageError, match=message):
        load(tmp_path, "ours", "theirs")
    assert load(tmp_path, "ours").names() == ["ours"]


def test_workers_of_all_families_may_be_given_the_same_names(tmp_path: Path) -> None:
    write(tmp_path / "ours")
    write(tmp_path / "theirs", **FOREIGN["of another family"])
    assert load(tmp_path, "ours", "theirs").names() == ["ours"]
    with pytest.raises(NothingToServe, match="theirs: its family is 'decoder', and this is the encoder worker"):
        load(tmp_path, "theirs")


def test_a_folder_with_nothing_for_this_worker_is_refused(tmp_path: Path) -> None:
    write_package(tmp_path / "theirs", family="seq2seq")
    with pytest.raises(PackageError, match=rf"no model package for this worker in {tmp_path}: theirs: its family"):
        load(tmp_path)


def test_one_invalid_package_keeps_the_worker_from_starting(tmp_path: Path) -> None:
    write_package(tmp_path / "sound")
    (write_package(tmp_path / "unsound") / "tokenizer.json").write_text("{}")
    with pytest.raises(PackageError, match="SHA-256 differs"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"graph": graph_of("classify", 8)}, "not the graph of a text-encoder for embed: it has no output last_hidden"),
        (
            {"task": "classify", "graph": graph_of("embed", 3)},
            "not the graph of a text-encoder for classify: it",
        ),
        ({"pooling": "none"}, "it has no output text_embeds"),
        ({"name": "elsewhere"}, "the manifest's name is 'elsewhere', not that of the folder"),
    ],
)
def test_a_graph_or_a_name_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    write_package(tmp_path / "wrong", **changes)
    with pytest.raises(PackageError, match=message):
        load(tmp_path)


def manifest(max_tokens: int, **changes: Any) -> Manifest:
    fields: dict[str, Any] = dict.fromkeys(("source", "revision", "licence"), "x")
    return Manifest(
        name="m", family="encoder", task=EmbedTask(embed=Embed(pooling="mean", dimensions=8)), graph=TextEncoder(),
        files={}, limits=Limits(max_tokens=max_tokens), **fields | changes,
    )  # fmt: skip


def budget(manifest: Manifest, max_batch_tokens: int | None = None) -> int:
    return token_budget(manifest, WorkerSettings(StoreSettings(), max_batch_tokens=max_batch_tokens))


def test_the_operators_budget_replaces_the_packages() -> None:
    assert budget(manifest(512)) == 512
    assert budget(manifest(64, batching=Batching(max_batch_tokens=100))) == 100
    assert budget(manifest(512), 4096) == 4096
    assert budget(manifest(64), 64) == 64
    assert budget(manifest(64, batch_safe=False), 4096) == ONE_ROW


def test_a_budget_below_the_longest_input_is_refused() -> None:
    with pytest.raises(PackageError, match=r"max_batch_tokens is 512, but one input may have 513 \(limits"):
        budget(manifest(513))
    with pytest.raises(PackageError, match="TRIPTYCH_MAX_BATCH_TOKENS is 63, but one input may have 64"):
        budget(manifest(64, batch_safe=False), 63)


def test_a_cache_has_as_many_slots_as_settings_and_budget_allow() -> None:
    def rows(row_tokens: int, **changes: Any) -> int:
        return num_cache_slots(
            manifest(64, **changes), WorkerSettings(StoreSettings(), max_cache_tokens=1000), row_tokens
        )

    assert [rows(tokens) for tokens in (10, 64, 334, 1000)] == [16, 15, 2, 1]
    assert rows(10, batch_safe=False) == 1
    with pytest.raises(PackageError, match=r"m: TRIPTYCH_MAX_CACHE_TOKENS is 1000, .* may have 1001 tokens"):
        rows(1001, batch_safe=False)
