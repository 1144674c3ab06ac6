"""Transformer-XL in all its variants: our network and its graph against the original code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from contracts.model_package.graphs import DecoderMemory  # noqa: E402
from contracts.model_package.package import ModelPackage  # noqa: E402
from onnx_models.decoders.transformer_xl.parity import ServedTransformerXL  # noqa: E402
from onnx_models.decoders.transformer_xl.reference import ReferenceTransformerXL  # noqa: E402
from onnx_models.errors import ExportError  # noqa: E402
from onnx_models.exporting.export import export_package  # noqa: E402
from onnx_models.exporting.exporters import ExportRequest  # noqa: E402
from onnx_models.exporting.sources import open_source  # noqa: E402
from tests.architectures.zoo import transformer_xl as zoo  # noqa: E402

VARIANTS: dict[str, dict[str, Any]] = {
    "one-width": {"div_val": 1, "same_length": False, "clamp_len": -1},
    "one-width-narrow-embedding": {"div_val": 1, "d_embed": 16, "same_length": True, "clamp_len": 5},
    "half-width": {"div_val": 2, "same_length": False, "clamp_len": 16},
    "quarter-width": {"div_val": 4, "same_length": True, "clamp_len": 5},
    "no-clusters": {"div_val": 1, "cutoffs": [], "same_length": True},
    "normed-before": {"div_val": 2, "pre_lnorm": True},
    "shared-biases": {"div_val": 2, "untie_r": False},
    "own-output-weights": {"div_val": 2, "tie_word_embeddings": False, "proj_share_all_but_first": False},
    "memory-of-one": {"div_val": 2, "mem_len": 1},
}


def export(folder: Path, **options: Any) -> ModelPackage:
    (folder / "source").mkdir()
    zoo.write(folder / "source", **options)
    source = open_source(str(folder / "source"))
    request = ExportRequest(source=source, task="generate", name="xl", output=folder, max_tokens=60)
    return export_package(request)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_equals_the_original_code(name: str, tmp_path: Path) -> None:
    manifest = export(tmp_path, **VARIANTS[name]).manifest

    assert manifest.verified["relative_diff"] <= 1e-5
    assert manifest.verified["same_tokens"] == 1.0
    assert manifest.verified["tokens"] == 7 * 20
    assert manifest.graph_as(DecoderMemory).decoder.memory == VARIANTS[name].get("mem_len", 12)


def test_the_memory_works_and_texts_of_other_lengths_do_not_change_it(tmp_path: Path) -> None:
    package = export(tmp_path, div_val=2, same_length=False, tie_word_embeddings=False)
    served = ServedTransformerXL(package)
    reference = ReferenceTransformerXL(open_source(str(tmp_path / "source")))
    old, young = list(range(5, 45)), [7, 8]

    written = served.generate([old, young], 20)
    assert written == [reference.generate(old, 20)[0], reference.generate(young, 20)[0]]
    assert len(set(written[0])) > 4, "a model that repeats itself proves nothing"
    with_memory = served.forced_logits([old], [[9, 9]])[0][1]
    forgotten = served.run(np.array([[9]]))[0][0]
    assert np.abs(with_memory - forgotten).max() > 0.1


def test_log_probabilities_are_of_the_whole_vocabulary(tmp_path: Path) -> None:
    served = ServedTransformerXL(export(tmp_path, div_val=4))
    logits, _ = served.run(np.array([[4, 5, 6], [1, 2, 89]]))
    assert logits.shape == (2, 90)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-5)


def test_a_source_without_a_tokenizer_json_is_refused(tmp_path: Path) -> None:
    zoo.write(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ExportError, match=r"no tokenizer\.json in the folder of the weights"):
        export_package(request_for(tmp_path))


def test_a_tokenizer_with_more_words_than_the_network_is_refused(tmp_path: Path) -> None:
    zoo.write(tmp_path, vocab_size=12, cutoffs=[4])
    with pytest.raises(ExportError, match="the network knows only 12 tokens"):
        export_package(request_for(tmp_path))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mem_len", 0, "at least 1 token"),
        ("attn_type", 2, "attn_type 2"),
        ("d_inner", 48, "not those of its"),
    ],
)
def test_variants_that_the_network_lacks_are_refused(tmp_path: Path, field: str, value: int, message: str) -> None:
    zoo.write(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(ExportError, match=message):
        export_package(request_for(tmp_path))


def test_other_tasks_are_refused(tmp_path: Path) -> None:
    zoo.write(tmp_path)
    with pytest.raises(ExportError, match="the task is generate, not embed"):
        export_package(request_for(tmp_path, task="embed"))


def request_for(folder: Path, task: Any = "generate") -> ExportRequest:
    return ExportRequest(source=open_source(str(folder)), task=task, name="xl", output=folder / "packages")
