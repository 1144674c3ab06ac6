"""Metadata of encoders, read from the files of a source."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.model_package.tasks import Classify, Embed
from onnx_models.encoders import metadata
from onnx_models.errors import ExportError
from onnx_models.exporting.sources import Source, open_source


def source_with(folder: Path, **files: Any) -> Source:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return Source(folder, "test", "1", "mit")


def modules(*kinds: str) -> list[dict[str, str]]:
    return [{"type": f"sentence_transformers.models.{kind}", "path": ""} for kind in kinds]


@pytest.mark.parametrize(
    ("mode", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True, "include_prompt": True}, "mean"),
        ({"pooling_mode_lasttoken": True}, "last_token"),
        ({"pooling_mode": "lasttoken"}, "last_token"),
    ],
)
def test_pooling_is_read_as_sentence_transformers_writes_it(tmp_path: Path, mode: dict[str, Any], pooling: Any) -> None:
    source = source_with(tmp_path, modules=modules("Transformer", "Pooling", "Normalize"), config=mode)

    assert metadata.embed_table(source, 8, None, None) == Embed(pooling=pooling, normalize=True, dimensions=8)


@pytest.mark.parametrize(
    "mode",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode": "weightedmean"},
        {},
    ],
)
def test_pooling_that_a_package_can_not_express_is_refused(tmp_path: Path, mode: dict[str, Any]) -> None:
    source = source_with(tmp_path, modules=modules("Transformer", "Pooling"), config=mode)

    with pytest.raises(ExportError, match="a package supports one of mean, cls and last_token"):
        metadata.embed_table(source, 8, None, None)


def test_options_override_the_files(tmp_path: Path) -> None:
    source = source_with(tmp_path, modules=modules("Transformer", "Pooling"), config={"pooling_mode": "mean"})

    assert metadata.embed_table(source, 8, None, None).normalize is False
    assert metadata.embed_table(source, 8, "cls", True) == Embed(pooling="cls", normalize=True, dimensions=8)


def test_a_graph_with_a_vector_for_each_token_needs_pooling(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="give --pooling"):
        metadata.embed_table(source_with(tmp_path), 8, "none", None)


def test_a_model_that_pools_by_itself_is_not_pooled_again() -> None:
    assert metadata.pooled_table(8, None, None) == Embed(pooling="none", normalize=True, dimensions=8)
    assert metadata.pooled_table(8, "none", False) == Embed(pooling="none", normalize=False, dimensions=8)
    with pytest.raises(ExportError, match="the graph pools"):
        metadata.pooled_table(8, "mean", None)


def test_a_layer_after_the_pooling_is_refused(tmp_path: Path) -> None:
    source = source_with(tmp_path, modules=modules("Transformer", "Pooling", "Dense"), config={"pooling_mode": "mean"})

    with pytest.raises(ExportError, match="Dense"):
        metadata.embed_table(source, 8, None, None)


@pytest.mark.parametrize(
    ("files", "config", "asked", "expected"),
    [
        (
            {"sentence_bert_config": {"max_seq_length": 256}, "tokenizer_config": {"model_max_length": 512}},
            512,
            None,
            256,
        ),
        ({"tokenizer_config": {"model_max_length": 384}}, 512, None, 384),
        ({"tokenizer_config": {"model_max_length": 1e30}}, 512, None, 512),
        ({"sentence_bert_config": {"max_seq_length": 256}}, 512, 500, 500),
        ({}, 512, None, 512),
        ({}, None, 77, 77),
    ],
)
def test_the_smallest_stated_limit_is_used(
    tmp_path: Path, files: dict[str, Any], config: int | None, asked: int | None, expected: int
) -> None:
    model = SimpleNamespace(model_type="bert", max_position_embeddings=config, pad_token_id=0)

    assert metadata.max_tokens(source_with(tmp_path, **files), model, asked) == expected


def test_positions_up_to_the_padding_id_are_not_counted(tmp_path: Path) -> None:
    model = SimpleNamespace(model_type="roberta", max_position_embeddings=514, pad_token_id=1)

    assert metadata.max_tokens(source_with(tmp_path), model, None) == 512


def test_a_source_without_a_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="give --max-tokens"):
        metadata.max_tokens(source_with(tmp_path), SimpleNamespace(model_type="t5"), None)


@pytest.mark.parametrize(
    ("problem", "labels", "function"),
    [
        ("single_label_classification", ["a", "b"], "softmax"),
        (None, ["a", "b"], "softmax"),
        ("multi_label_classification", ["a", "b"], "sigmoid"),
        (None, ["a"], "sigmoid"),
        ("regression", ["a"], "none"),
    ],
)
def test_scores_follow_the_rule_of_the_pipeline(problem: str | None, labels: list[str], function: Any) -> None:
    by_id = {str(index): label for index, label in reversed(list(enumerate(labels)))}
    config = SimpleNamespace(id2label=by_id, num_labels=len(labels), problem_type=problem)

    assert metadata.classify_table(config) == Classify(labels=labels, function_to_apply=function)


def test_labels_with_a_gap_are_refused() -> None:
    with pytest.raises(ExportError, match="does not number"):
        metadata.classify_table(SimpleNamespace(id2label={0: "a", 2: "b"}, num_labels=2, problem_type=None))


def test_a_prompt_that_the_source_adds_by_default_is_found(tmp_path: Path) -> None:
    config = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}

    assert metadata.default_prompt(source_with(tmp_path, config_sentence_transformers=config)) == "query: "
    config["default_prompt_name"] = None
    assert metadata.default_prompt(source_with(tmp_path, config_sentence_transformers=config)) is None


def test_a_module_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    source = source_with(tmp_path, modules=[{"type": "x.Pooling", "path": "../elsewhere"}])

    with pytest.raises(ExportError, match="points outside of"):
        metadata.embed_table(source, 8, None, None)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("{")

    with pytest.raises(ExportError, match=r"modules\.json: not JSON"):
        metadata.embed_table(source_with(tmp_path), 8, None, None)


def test_the_revision_of_a_folder_changes_with_its_weights(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"one")
    first = open_source(str(tmp_path)).revision
    weights.write_bytes(b"two")

    assert first != open_source(str(tmp_path)).revision
    assert open_source(str(tmp_path), "mine").revision == "mine"
