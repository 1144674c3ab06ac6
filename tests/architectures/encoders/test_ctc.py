"""Variants of wav2vec2, its metadata, and why only recordings of equal length may share a batch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from contracts.model_package.graphs import CtcEncoder  # noqa: E402
from contracts.model_package.package import ModelPackage  # noqa: E402
from contracts.model_package.tasks import TranscribeTask  # noqa: E402
from onnx_models.encoders.ctc.parity import ServedCtc  # noqa: E402
from onnx_models.errors import ExportError  # noqa: E402
from onnx_models.exporting.export import export_package  # noqa: E402
from onnx_models.exporting.exporters import ExportRequest  # noqa: E402
from onnx_models.exporting.sources import open_source  # noqa: E402
from tests.architectures.zoo import wav2vec2 as zoo  # noqa: E402


def export(folder: Path, *, task: Any = "transcribe", **options: Any) -> ModelPackage:
    source = open_source(str(folder))
    return export_package(ExportRequest(source=source, task=task, name="speech", output=folder / "packages", **options))


def test_the_variant_of_large_models_is_exported(tmp_path: Path) -> None:
    zoo.write(tmp_path, feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=True)
    manifest = export(tmp_path).manifest
    assert manifest.verified["relative_diff"] <= 1e-5
    assert manifest.batch_safe


def test_the_manifest_states_labels_and_lengths(tmp_path: Path) -> None:
    zoo.write(tmp_path, tokenizer={"do_lower_case": True})
    package = export(tmp_path)
    audio, ctc = package.manifest.task_as(TranscribeTask).audio, package.manifest.graph_as(CtcEncoder).ctc
    assert audio is not None and ctc is not None
    assert (audio.sampling_rate, audio.min_samples, audio.normalize) == (16_000, 400, True)
    assert (ctc.samples_per_label, ctc.blank_token_id, ctc.word_delimiter) == (320, 0, "|")
    assert package.manifest.limits.max_tokens == 30 * 16_000
    word = [ctc.labels.index(letter) for letter in "hel"]
    assert ServedCtc(package).text([4, *word, word[-1], 0, word[-1], 0, ctc.labels.index("o"), 4, 4]) == "hello"


def test_padding_changes_outputs_so_only_equal_lengths_share_a_batch(tmp_path: Path) -> None:
    zoo.write(tmp_path)
    served = ServedCtc(export(tmp_path))
    sound = np.random.default_rng(0).normal(size=(2, 4000)).astype(np.float32)
    padded = np.pad(sound, ((0, 0), (0, 4000)))
    isolated, among = served.run(sound[:1]), served.run(padded)[:1, : served.run(sound).shape[1]]
    assert np.abs(served.run(sound)[:1] - isolated).max() < 1e-5
    assert np.abs(among - isolated).max() > 0.1


def test_max_tokens_counts_samples(tmp_path: Path) -> None:
    zoo.write(tmp_path)
    assert export(tmp_path, max_tokens=8000).manifest.limits.max_tokens == 8000
    with pytest.raises(ExportError, match="--max-tokens 399: the model needs at least 400 samples"):
        export(tmp_path, max_tokens=399, force=True)


def test_what_a_manifest_can_not_express_is_refused(tmp_path: Path) -> None:
    zoo.write(tmp_path, tokenizer={"replace_word_delimiter_char": "_"})
    with pytest.raises(ExportError, match="separates words by '_'"):
        export(tmp_path)
    with pytest.raises(ExportError, match="the task is transcribe"):
        export(tmp_path, task="embed")
    settings = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings | {"feature_size": 80}))
    with pytest.raises(ExportError, match="states no sampling rate of a waveform"):
        export(tmp_path)


def test_a_model_that_was_not_trained_to_transcribe_is_refused(tmp_path: Path) -> None:
    import safetensors.torch

    zoo.write(tmp_path)
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    without_head = {name: weight for name, weight in weights.items() if not name.startswith("lm_head")}
    safetensors.torch.save_file(without_head, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match="no weights for lm_head"):
        export(tmp_path)
