"""What a worker refuses when it starts: packages and graphs that can't be served, with the reason in the error."""

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contracts.cards import ModelCard
from contracts.errors import TriptychError
from contracts.model_package.package import PackageError, load_package
from contracts.settings import StoreSettings
from tests.support import tiny_package
from tests.support.attempts import make_attempt
from tests.support.onnx_bytes import FLOAT, INT64, attribute, external_tensor, float_tensor, node, value_info
from tests.support.onnx_bytes import model as model_of_nodes
from tests.support.tiny_package import WORDS, graph_of, token_vectors, write_package
from tests.support.waiting import PATIENCE_S
from workers.encoder.model import EncoderModel
from workers.encoder.tasks import ENCODER, open_encoder
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.inference.session import DeviceError, Session
from workers.runtime.models.loading import Loader, NothingToServe
from workers.runtime.models.versions import Models
from workers.runtime.settings import WorkerSettings

SIZE = 8
SECRET = b"\x00\x00\x80\x3f" * len(WORDS) * SIZE


def settings(*folders: Path, models: tuple[str, ...] = (), device: str = "cpu") -> WorkerSettings:
    return WorkerSettings(store=StoreSettings(), models_dir=folders, models=models, device=device)  # type: ignore[arg-type]


def load_models(settings: WorkerSettings) -> Models:
    return Loader(ENCODER, settings, BatchingEngine()).load_all()


def loaded(folder: Path) -> EncoderModel:
    model = open_encoder(load_package(folder), settings(folder.parent))
    model.warm_up()
    return model


def test_a_valid_package_is_served_and_described(tmp_path: Path) -> None:
    write_package(tmp_path / "moods", task="classify", labels=["sad", "glad"])
    write_package(tmp_path / "vectors")
    models = load_models(settings(tmp_path))
    assert models.names() == ["moods", "vectors"]
    moods, vectors = models.cards()
    assert (moods.task, moods.labels, moods.dimensions) == ("classify", ["sad", "glad"], None)
    assert (vectors.task, vectors.labels, vectors.dimensions) == ("embed", None, 8)
    assert vectors.max_tokens == tiny_package.MAX_TOKENS


def test_figures_that_are_no_json_are_not_announced(tmp_path: Path) -> None:
    """One such card would keep gateways from reading the cards of all models."""
    folder = write_package(tmp_path / "tiny")
    with (folder / "manifest.toml").open("a") as manifest:
        manifest.write("[quality]\na = nan\nb = inf\nc = 1e300\nd = 0.5\ne = true\nf = 'some'\ng = 7\n")
    (card,) = load_models(settings(tmp_path)).cards()
    assert card.quality == {"d": 0.5, "e": True, "f": "some", "g": 7}
    assert msgspec.json.decode(msgspec.json.encode(card), type=ModelCard) == card


def test_the_first_folder_wins_and_names_choose(tmp_path: Path) -> None:
    write_package(tmp_path / "one" / "same", size=4)
    write_package(tmp_path / "two" / "same", size=8)
    write_package(tmp_path / "two" / "other")
    models = load_models(settings(tmp_path / "one", tmp_path / "two", models=("same",)))
    assert models.names() == ["same"] and models.cards()[0].dimensions == 4


def test_names_are_for_workers_of_all_families(tmp_path: Path) -> None:
    write_package(tmp_path / "ours")
    write_package(tmp_path / "another")
    write_package(tmp_path / "theirs", family="decoder")
    assert load_models(settings(tmp_path, models=("theirs", "ours"))).names() == ["ours"]
    with pytest.raises(NothingToServe, match="theirs: its family is 'decoder'"):
        load_models(settings(tmp_path, models=("theirs",)))


def test_without_any_package_the_error_names_the_folders(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=f"no model package at all in {tmp_path}"):
        load_models(settings(tmp_path))
    with pytest.raises(PackageError, match="no model package nope in"):
        write_package(tmp_path / "here")
        load_models(settings(tmp_path, models=("here", "nope")))


def test_a_device_that_is_not_available_is_an_error(tmp_path: Path) -> None:
    graph = write_package(tmp_path / "tiny") / "model.onnx"
    with pytest.raises(DeviceError, match=r"the device is set to cuda, but .*onnxruntime-gpu"):
        Session(graph, device="cuda", threads=1)


@pytest.mark.parametrize(
    "location", ["../../etc/passwd", "/etc/passwd", "../secret.bin", "{outside}/secret.bin", "link.bin", "a/../../b"]
)
def test_a_graph_with_weights_outside_its_folder_is_refused(tmp_path: Path, location: str) -> None:
    """An untrusted graph may name any file as its weights, whose content would then appear in its answers."""
    (tmp_path / "secret.bin").write_bytes(SECRET)
    location = location.format(outside=tmp_path)
    graph = graph_of("embed", SIZE, external_tensor("table", [len(WORDS), SIZE], location))
    folder = write_package(tmp_path / "malicious", graph=graph)
    if location == "link.bin":
        (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(PackageError, match=r"model\.onnx"):
        loaded(folder)


def test_such_a_graph_is_refused_for_its_path_and_not_by_accident(tmp_path: Path) -> None:
    """The same graph with the same data inside the folder loads, so it is the path that is refused above."""
    graph = graph_of("embed", SIZE, external_tensor("table", [len(WORDS), SIZE], "weights.bin"))
    folder = write_package(tmp_path / "honest", graph=graph, normalize=False, more_files={"weights.bin": SECRET})
    model = loaded(folder)
    (row,) = model.tokenizer.rows(["w1 w2"], "error")
    np.testing.assert_array_equal(model.run([row])[0], np.ones(SIZE, np.float32))


def test_weights_that_are_written_over_later_do_not_change_what_is_served(tmp_path: Path) -> None:
    """If ONNX Runtime mapped the file, new weights would be served at once, and a truncated file would cause SIGBUS."""
    graph = graph_of("embed", SIZE, external_tensor("table", [len(WORDS), SIZE], "weights.bin"))
    folder = write_package(tmp_path / "big", graph=graph, normalize=False, more_files={"weights.bin": SECRET})
    model = loaded(folder)
    with (folder / "weights.bin").open("r+b") as file:
        file.write(bytes(len(SECRET)))
    (row,) = model.tokenizer.rows(["w1 w2"], "error")
    np.testing.assert_array_equal(model.run([row])[0], np.ones(SIZE, np.float32))
    assert "weights.bin" not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("weights", [b"", SECRET[:-1]], ids=["empty", "cut off"])
def test_weights_that_are_too_short_are_refused(tmp_path: Path, weights: bytes) -> None:
    graph = graph_of("embed", SIZE, external_tensor("table", [len(WORDS), SIZE], "weights.bin"))
    with pytest.raises(PackageError, match=r"model\.onnx: ONNX Runtime can't load it"):
        loaded(write_package(tmp_path / "short", graph=graph, more_files={"weights.bin": weights}))


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x08\x08", b"<html>"])
def test_a_file_that_is_no_graph_is_named(tmp_path: Path, content: bytes) -> None:
    folder = write_package(tmp_path / "broken")
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(PackageError, match=r"model\.onnx: ONNX Runtime can't load it"):
        Session(folder / "model.onnx", device="cpu", threads=1)


def test_a_graph_of_another_kind_is_refused(tmp_path: Path) -> None:
    classifier = graph_of("classify", SIZE)
    with pytest.raises(PackageError, match="last_hidden_state"):
        loaded(write_package(tmp_path / "wrong", graph=classifier))


def test_a_graph_that_pools_itself_is_served_as_it_is(tmp_path: Path) -> None:
    nodes = [
        node("Gather", ["table", "input_ids"], "vectors"),
        node("ReduceMax", ["vectors"], "text_embeds", attribute("axes", 8, 1, 7) + attribute("keepdims", 3, 0, 2)),
    ]
    ids, output = value_info("input_ids", INT64, ["rows", "tokens"]), value_info("text_embeds", FLOAT, ["rows", SIZE])
    table = token_vectors(SIZE)
    graph = model_of_nodes(nodes, [float_tensor("table", table)], [ids], [output])
    model = loaded(write_package(tmp_path / "pooled", graph=graph, pooling="none", normalize=False))
    (row,) = model.tokenizer.rows(["w1 w2"], "error")
    np.testing.assert_array_equal(model.run([row])[0], table[row.token_ids].max(axis=0))


def test_labels_and_dimensions_are_counted_against_the_graph(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"rows of shape \[8\], the manifest says \[2\]"):
        loaded(write_package(tmp_path / "few", task="classify", labels=["a", "b"], graph=graph_of("classify", 8)))
    with pytest.raises(PackageError, match=r"rows of shape \[4\], the manifest says \[8\]"):
        loaded(write_package(tmp_path / "short", graph=graph_of("embed", 4)))


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "changed")
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + " ")
    with pytest.raises(PackageError, match="SHA-256 differs"):
        load_package(folder)


def test_a_linked_file_is_refused(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "linked")
    os.rename(folder / "model.onnx", tmp_path / "model.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "model.onnx")
    with pytest.raises(PackageError, match="not a regular file"):
        load_package(folder)


def test_an_answer_that_is_not_a_number_fails_its_job_only(tmp_path: Path) -> None:
    """The vector of token w1 is NaN, which JSON can't represent."""
    table = token_vectors(SIZE)
    table[WORDS.index("w1")] = np.nan
    graph = graph_of("embed", SIZE, float_tensor("table", table))
    model = open_encoder(load_package(write_package(tmp_path / "nan", graph=graph)), settings(tmp_path))
    engine = BatchingEngine()
    bad, good = (engine.submit(model, model.tokenizer.rows([text], "error"), make_attempt()) for text in ("w1", "w2"))
    assert bad.wait(PATIENCE_S) and good.wait(PATIENCE_S)
    assert np.isfinite(good.results()[0]).all()
    with pytest.raises(TriptychError):
        bad.results()
