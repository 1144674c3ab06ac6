"""The flat tables of a manifest are read into tables of its graph and its task, and written back unchanged."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from contracts.model_package.document import document_of, manifest_from
from contracts.model_package.files import PackageError
from contracts.model_package.graphs import CtcEncoder, DecoderGraph, DecoderSlots, Graph, GraphKind
from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import ClassifyTask, EmbedTask, FillMaskTask, ImageTask, Task, TokenClassifyTask
from contracts.task_names import TASK_NAMES
from tests.contracts.manifest_examples import CLASSIFY, EMBED, EXAMPLES, GENERATION, IMAGE, manifest_text
from tests.support.paths import ROOT

WRITTEN = [*ROOT.glob("onnx_models/packages/*/manifest.toml"), *ROOT.glob("build/packages/*/manifest.toml")]


def read(text: str) -> Manifest:
    return manifest_from(tomllib.loads(text))


def in_order(document: Mapping[str, Any]) -> str:
    """Return a document as text, in the order of a TOML file, where the fields of a table come before its subtables."""
    tables = {name: in_order(value) for name, value in document.items() if isinstance(value, dict)}
    return str({name: value for name, value in document.items() if name not in tables} | tables)


@pytest.mark.parametrize("path", WRITTEN, ids=[path.parent.name for path in WRITTEN])
def test_the_manifest_of_a_package_on_disk_is_written_back_unchanged(path: Path) -> None:
    document = tomllib.loads(path.read_text())
    assert in_order(document_of(manifest_from(document))) == in_order(document)


@pytest.mark.parametrize(("task", "graph", "tables"), EXAMPLES)
def test_the_manifest_of_every_task_and_kind_is_written_back_unchanged(
    task: str, graph: str, tables: tuple[str, ...]
) -> None:
    document = tomllib.loads(manifest_text(task, graph, tables))
    manifest = manifest_from(document)
    assert (manifest.task.name, manifest.graph.kind) == (task, graph)
    assert in_order(document_of(manifest)) == in_order(document)


def test_the_examples_cover_every_kind_of_graph_and_every_task_that_a_package_can_have() -> None:
    kinds = {kind.__struct_config__.tag for kind in get_args(Graph)}
    tasks = {task.__struct_config__.tag for task in get_args(Task)}
    assert kinds == set(get_args(GraphKind)) == {graph for _, graph, _ in EXAMPLES}
    assert tasks == {task for task, _, _ in EXAMPLES}
    assert set(TASK_NAMES) - tasks == {"zero-shot-classify"}


@pytest.mark.parametrize(("task", "graph", "tables"), [example for example in EXAMPLES if example[2]])
def test_a_missing_table_is_named(task: str, graph: str, tables: tuple[str, ...]) -> None:
    optional = ("[translate]", "[transcribe]")
    for index, table in enumerate(tables):
        name = table.partition("]")[0] + "]"
        rest = manifest_text(task, graph, tables[:index] + tables[index + 1 :])
        if name in optional:
            read(rest)
            continue
        with pytest.raises(ValueError, match=rf"^(task|graph) is '[\w-]+', so a table {re.escape(name)} is needed$"):
            read(rest)


@pytest.mark.parametrize(
    ("task", "graph", "tables", "message"),
    [
        ("embed", "text-encoder", (EMBED, CLASSIFY), "a table [classify], but the task 'embed' with a graph 'text-enc"),
        ("embed", "text-encoder", (EMBED, GENERATION), "a table [generation], but"),
        ("denoise", "text-autoencoder", (IMAGE,), "a table [image], but"),
        ("question-answer", "text-encoder", ('[entities]\nlabels = ["O"]\n',), "a table [token_classify], but"),
        ("embed", "text-encoder", (EMBED, "[colours]\n"), "unknown field `colours`"),
        ("embed", "text-encoder", ("[embed]\npooling = 3\n",), "$.embed.pooling"),
        (
            "embed",
            "text-decoder",
            (EMBED,),
            "unknown graph 'text-decoder'; the graphs are text-encoder, imag",
        ),
        ("embedding", "text-encoder", (EMBED,), "unknown task 'embedding'; the tasks are embed, classify, token-"),
        (
            "zero-shot-classify",
            "text-encoder",
            (),
            "unknown task 'zero-shot-classify'; the tasks are embed, ",
        ),
    ],
)
def test_a_table_that_does_not_belong_to_the_task_or_graph_is_refused_by_name(
    task: str, graph: str, tables: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError) as caught:
        read(manifest_text(task, graph, tables))
    assert message in str(caught.value)


def test_no_model_has_the_name_of_another_ones_queue_for_suspects() -> None:
    lines = manifest_text("embed", "text-encoder", (EMBED,)).splitlines()
    for name, is_taken in (("tiny.suspect", True), ("tiny.suspects", False), ("suspect", False)):
        text = "\n".join(f'name = "{name}"' if line.startswith("name = ") else line for line in lines)
        if is_taken:
            with pytest.raises(ValueError, match="name"):
                read(text)
        else:
            assert read(text).name == name


@pytest.mark.parametrize("name", ["task", "graph"])
@pytest.mark.parametrize("value", ["3", "[]", None])
def test_a_task_or_graph_that_is_no_text_is_refused(name: str, value: str | None) -> None:
    lines = manifest_text("embed", "text-encoder", (EMBED,)).splitlines()
    changed = [f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in lines]
    text = "\n".join(line for line in changed if line != f"{name} = None")
    with pytest.raises(ValueError, match=f"{name} is missing, or is not a text"):
        read(text)


OLD = {
    "entities": ("token-classify", "text-encoder", ('[entities]\nlabels = [\n    "O",\n]\n',)),
    "answer": ("question-answer", "text-encoder", ()),
    "fill_mask": ("fill-mask", "text-encoder", ('[fill_mask]\nmask_token = "[MASK]"\nmask_token_id = 3\n',)),
    "embed_image": ("embed-image", "image-encoder", (EMBED, IMAGE)),
    "classify_image": ("classify-image", "image-encoder", (CLASSIFY, IMAGE)),
    "zero_shot_image": ("zero-shot-image", "image-text", (IMAGE,)),
    "denoise_image": ("denoise-image", "image-autoencoder", (IMAGE,)),
}


@pytest.mark.parametrize("old", OLD)
def test_a_manifest_with_a_former_name_is_read(old: str) -> None:
    task, graph, tables = OLD[old]
    manifest = read(manifest_text(old, graph, tables))
    assert manifest.task.name == task
    text = manifest_text(task, graph, tables).replace("[entities]", "[token_classify]")
    assert document_of(manifest) == tomllib.loads(text)


def test_former_tables_keep_their_content() -> None:
    entities, fill_mask = (read(manifest_text(old, *OLD[old][1:])).task for old in ("entities", "fill_mask"))
    assert isinstance(entities, TokenClassifyTask) and entities.token_classify.labels == ["O"]
    assert isinstance(fill_mask, FillMaskTask) and fill_mask.fill_mask.mask_token_id == 3


def test_a_manifest_with_another_task_or_graph_than_the_worker_serves_is_refused() -> None:
    decoder, picture = (
        read(manifest_text(*next(example for example in EXAMPLES if example[0] == task)))
        for task in ("generate", "embed-image")
    )
    assert isinstance(decoder.graph_as(DecoderGraph), DecoderSlots)
    with pytest.raises(PackageError, match="mini: a graph of kind 'decoder-slots' can't be used as CtcEncoder"):
        decoder.graph_as(CtcEncoder)
    assert picture.task_as(ImageTask).image.mean == [0.5]
    with pytest.raises(PackageError, match="mini: a package for the task 'embed-image' can't be used as ClassifyTask"):
        picture.task_as(ClassifyTask)
    with pytest.raises(PackageError, match="EmbedTask"):
        picture.task_as(EmbedTask)
