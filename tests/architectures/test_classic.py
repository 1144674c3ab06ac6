"""Classic networks: properties of their graphs beyond equality with the reference."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

torch = pytest.importorskip("torch")

from contracts.model_package.graphs import Recurrent  # noqa: E402
from contracts.model_package.package import ModelPackage  # noqa: E402
from contracts.model_package.tasks import DenoiseImageTask  # noqa: E402
from onnx_models.classic.image_autoencoder import ServedImageAutoencoder  # noqa: E402
from onnx_models.classic.networks.base import load  # noqa: E402
from onnx_models.classic.networks.image_autoencoder import ImageAutoencoder, ImageAutoencoderConfig  # noqa: E402
from onnx_models.classic.networks.lstm_attention import LstmAttention, LstmAttentionConfig  # noqa: E402
from onnx_models.classic.recurrent.reference import TextbookLstmAttention  # noqa: E402
from onnx_models.classic.recurrent.served import ServedRecurrent  # noqa: E402
from onnx_models.classic.text_autoencoder import ServedTextAutoencoder  # noqa: E402
from onnx_models.errors import ExportError  # noqa: E402
from onnx_models.exporting.export import export_package  # noqa: E402
from onnx_models.exporting.exporters import ExportRequest  # noqa: E402
from onnx_models.exporting.sources import open_source  # noqa: E402
from tests.architectures.zoo import classic as zoo  # noqa: E402

SourceOf = Callable[[str], Path]
LSTM, SHORTCUT, TEXT, IMAGE = (
    f"classic:{name}" for name in ("lstm_attention", "lstm_shortcut", "text_autoencoder", "image_autoencoder")
)


def export(source: Path, task: Any, folder: Path, **options: Any) -> ModelPackage:
    request = ExportRequest(source=open_source(str(source)), task=task, name="classic", output=folder, **options)
    return export_package(request)


def copy_of(source: Path, folder: Path) -> Path:
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_lstm_rows_that_join_later_get_the_tokens_that_they_get_alone(source_of: SourceOf, tmp_path: Path) -> None:
    package = export(source_of(LSTM), "text2text", tmp_path)
    served = ServedRecurrent(package)
    reference = TextbookLstmAttention(load(LstmAttention, source_of(LSTM)))
    old, young = [5, 9, 11, 4, 2, 17, 8], [6, 6]
    expected = [reference.generate(read, 12)[0] for read in reference.encode([old, young])]

    # The old row alone for 5 steps, then both; the young one's source is padded, under its mask.
    tokens, feed = np.array([1]), served.encode([old])
    written: list[list[int]] = [[], []]
    for _ in range(5):
        logits, feed = served.step(tokens, feed)
        tokens = logits.argmax(axis=1)
        written[0].append(int(tokens[0]))
    beside = served.encode([old, young])
    joined = {name: np.concatenate([feed[name][:1], beside[name][1:]]) for name in feed}
    tokens = np.array([tokens[0], 1])
    for _ in range(7):
        logits, joined = served.step(tokens, joined)
        tokens = logits.argmax(axis=1)
        for row, token in zip(written, tokens.tolist(), strict=True):
            row.append(token)

    assert written == [expected[0], expected[1][:7]]
    assert len(set(expected[0])) > 4, "a model that repeats itself proves nothing"


def test_the_manifest_of_an_lstm_states_the_generation_defaults(source_of: SourceOf, tmp_path: Path) -> None:
    manifest = export(source_of(LSTM), "translate", tmp_path, max_tokens=20).manifest
    assert (manifest.limits.max_tokens, manifest.limits.max_new_tokens) == (20, 40)
    generation = manifest.graph_as(Recurrent).generation
    assert (generation.decoder_start_token_id, generation.eos_token_ids) == (1, [2])


def test_an_lstm_with_a_shortcut_is_exported_and_verified(source_of: SourceOf, tmp_path: Path) -> None:
    verified = export(source_of(SHORTCUT), "denoise", tmp_path).manifest.verified
    assert verified["relative_diff"] < 1e-4
    assert verified["same_tokens"] == 1.0


def test_an_untrained_lstm_with_a_shortcut_copies_the_attended_token() -> None:
    torch.manual_seed(1)
    sizes = {"vocab_size": 300, "embedding_size": 64, "hidden_size": 32, "attention_size": 16}
    network = LstmAttention(LstmAttentionConfig(**sizes, shortcut=True))
    tokens = torch.arange(300)[:, None]
    with torch.inference_mode():
        written = network(tokens, torch.ones_like(tokens), torch.ones_like(tokens)).argmax(dim=-1)
    assert (written == tokens).all()


@pytest.mark.parametrize("name", [LSTM, SHORTCUT])
def test_lstm_teacher_forcing_equals_generation(source_of: SourceOf, name: str) -> None:
    network = load(LstmAttention, source_of(name))
    sources = [[5, 9, 11, 4], [7]]
    textbook = TextbookLstmAttention(network)
    expected = [textbook.generate(read, 6) for read in textbook.encode(sources)]
    ids, mask = torch.tensor([[5, 9, 11, 4], [7, 0, 0, 0]]), torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]])
    with torch.inference_mode():
        logits = network(ids, mask, torch.tensor([[1, *tokens[:-1]] for tokens, _ in expected]))
    np.testing.assert_allclose(logits.numpy(), np.stack([found for _, found in expected]), atol=1e-5)


def test_the_text_autoencoder_corrects_errors_and_scores_anomalies(source_of: SourceOf, tmp_path: Path) -> None:
    """Training ends elsewhere on another processor, so scores are compared with those of an untrained network."""
    package = export(source_of(TEXT), "denoise", tmp_path)
    served, tokenizer = ServedTextAutoencoder(package), Tokenizer.from_file(str(package.file("tokenizer.json")))
    clean = [tokenizer.encode(text).ids for text in zoo.month_rows(5)]
    corrupted = [[*row[:2], row[0], *row[3:]] for row in clean]
    shuffled = [row[::-1] for row in clean]
    ids, network = torch.tensor(clean), zoo.untrained_text_autoencoder(tokenizer.get_vocab_size())
    with torch.inference_mode():
        untrained = float(network(ids, torch.ones_like(ids))[2].mean())

    corrected = [outputs["logits"].argmax(axis=1).tolist() for outputs in served.run(corrupted)]
    assert np.mean([left == right for left, right in zip(corrected, clean, strict=True)]) >= 0.5
    scores = {
        name: np.array([outputs["score"][0] for outputs in served.run(rows)])
        for name, rows in (("clean", clean), ("corrupted", corrupted), ("shuffled", shuffled))
    }
    # Over 25 seeds: clean rows 0.22 at most, corrupted ones 0.91 at least, shuffled ones 4.5 at least; untrained 2.7.
    assert scores["clean"].max() < 0.25 * untrained
    assert scores["corrupted"].min() > 1.5 * scores["clean"].max()
    assert scores["shuffled"].min() > untrained


def test_the_text_autoencoder_does_not_score_padding(source_of: SourceOf, tmp_path: Path) -> None:
    served = ServedTextAutoencoder(export(source_of(TEXT), "denoise", tmp_path))
    outputs = served.run([[5, 6, 7], [9] * 30])[0]
    likelihoods = outputs["logits"] - np.log(np.exp(outputs["logits"]).sum(axis=1, keepdims=True))
    expected = -likelihoods[np.arange(3), [5, 6, 7]].mean()
    assert outputs["score"][0] == pytest.approx(expected, rel=1e-5)
    assert outputs["latent"].shape == (16,) and np.abs(outputs["latent"]).max() <= 1


def test_the_image_autoencoder_removes_noise_and_finds_anomalies(source_of: SourceOf, tmp_path: Path) -> None:
    served = ServedImageAutoencoder(export(source_of(IMAGE), "denoise-image", tmp_path))
    torch.manual_seed(7)
    clean = zoo.spots(32)
    noise = zoo.noisy(clean)
    odd = clean.clone()
    odd[:, :, 4:8, 3:20] = 1 - odd[:, :, 4:8, 3:20]

    cleaned = served.run(noise.numpy())["reconstruction"]
    assert psnr(cleaned, clean.numpy()) > psnr(noise.numpy(), clean.numpy()) + 6
    found = served.run(odd.numpy())
    assert found["score"].min() > 2 * served.run(clean.numpy())["score"].max()
    inside = found["error_map"][:, 4:8, 3:20].mean()
    assert inside > 2 * np.delete(found["error_map"], np.s_[4:8], axis=1).mean()


def psnr(pictures: Any, clean: Any) -> float:
    """Return the peak signal-to-noise ratio in decibels of images from 0 to 1."""
    return float(10 * np.log10(1 / np.square(pictures - clean).mean()))


@pytest.mark.parametrize(("height", "width"), [(24, 24), (31, 17), (1, 50), (2, 2)])
def test_reconstructions_have_the_size_of_the_images(
    source_of: SourceOf, image_package: ModelPackage, height: int, width: int
) -> None:
    pictures = np.random.default_rng(0).random((2, 1, height, width), np.float32)
    outputs = ServedImageAutoencoder(image_package).run(pictures)
    assert outputs["reconstruction"].shape == pictures.shape
    assert outputs["error_map"].shape == (2, height, width)
    squares = np.square(outputs["reconstruction"] - pictures)
    np.testing.assert_allclose(outputs["error_map"], squares.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(outputs["score"], squares.mean(axis=(1, 2, 3)), atol=1e-6)


@pytest.fixture(scope="module")
def image_package(source_of: SourceOf, tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return export(source_of(IMAGE), "denoise-image", tmp_path_factory.mktemp("pictures"))


def test_the_image_table_states_the_normalization(image_package: ModelPackage) -> None:
    image = image_package.manifest.task_as(DenoiseImageTask).image
    assert image is not None
    assert (image.resize, image.mean, image.std, image.rescale) == ([], [0.0], [1.0], 1 / 255)


def test_reconstructions_have_the_normalization_of_each_channel() -> None:
    torch.manual_seed(1)
    network = ImageAutoencoder(ImageAutoencoderConfig(channels=3, widths=[4, 8, 8], mean=[0.5] * 3, std=[0.25] * 3))
    reconstruction = network.eval()(torch.randn(2, 3, 9, 9))[0]
    assert reconstruction.min() >= -2 and reconstruction.max() <= 2
    with pytest.raises(ValueError, match="mean and std need 3 numbers each"):
        ImageAutoencoderConfig(channels=3)


@pytest.mark.parametrize("build", [LSTM, TEXT])
def test_a_source_without_a_tokenizer_json_is_refused(build: str, source_of: SourceOf, tmp_path: Path) -> None:
    source = copy_of(source_of(build), tmp_path / "source")
    (source / "tokenizer.json").unlink()
    with pytest.raises(ExportError, match=r"no tokenizer\.json in the folder of the weights"):
        export(source, "denoise", tmp_path)


@pytest.mark.parametrize(("build", "task"), [(LSTM, "generate"), (TEXT, "translate"), (IMAGE, "classify-image")])
def test_a_task_that_the_network_can_not_do_is_refused(
    build: str, task: str, source_of: SourceOf, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=f"such a network does .*, not {task}"):
        export(source_of(build), task, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 48}, "not the weights of its config"),
        ({"hidden_size": 0}, "not a config of lstm-attention"),
        ({"hidden_sizes": 32}, "not a config of lstm-attention"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    change: dict[str, int], message: str, source_of: SourceOf, tmp_path: Path
) -> None:
    source = copy_of(source_of(LSTM), tmp_path / "source")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ExportError, match=message):
        export(source, "text2text", tmp_path)


def test_longer_inputs_than_the_network_was_made_for_are_refused(source_of: SourceOf, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="--max-tokens 33: the network was made for 32"):
        export(source_of(TEXT), "denoise", tmp_path, max_tokens=33)
