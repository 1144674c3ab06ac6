"""The two starter encoders in the repository: whole, small, and as good as their manifests say.

Runs on what a worker has: onnxruntime, tokenizers, numpy. The held-out sentences are made again here.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from contracts.model_package.package import PackageError, find_packages, load_package
from onnx_models.encoders.texts.served import ServedModel, cosines
from onnx_models.starter.feelings import LABELS, labelled_sentences
from onnx_models.starter.judge import HELD_OUT_SEED, NUM_PAIRS, Quality, judge_classifier, judge_embedder
from onnx_models.starter.meanings import FRAMES, HELD_OUT_FRAMES, all_meanings, held_out_pairs, is_held_out
from tests.models.conftest import ROOT

PACKAGES = ROOT / "onnx_models" / "packages"
STARTERS = ["starter-classify", "starter-embed"]
MAX_BYTES = 8_000_000


def served(name: str) -> ServedModel:
    return ServedModel(load_package(PACKAGES / name))


def assert_as_stated(measured: Quality, stated: Quality) -> None:
    """Equal, but for a sentence or two on the edge that another CPU may tip: of hundreds, or of a few handwritten."""
    assert measured.keys() == stated.keys()
    for name, value in measured.items():
        if isinstance(value, float):
            assert value == pytest.approx(stated[name], abs=0.11 if "handwritten" in name else 0.01), name
        else:
            assert value == stated[name], name


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGES / "starter-classify", tmp_path / "copied"))


def test_the_repository_carries_the_starters() -> None:
    assert set(STARTERS) <= set(find_packages(PACKAGES))


@pytest.mark.parametrize("name", STARTERS)
def test_a_starter_is_small_and_says_what_it_is(name: str) -> None:
    package = load_package(PACKAGES / name)
    manifest = package.manifest

    assert sum(path.stat().st_size for path in package.path.iterdir()) <= MAX_BYTES
    assert manifest.name == name
    assert manifest.licence == "Apache-2.0"
    assert (ROOT / manifest.source).is_file()
    assert "not for production" in manifest.description
    assert manifest.limits.max_tokens == 256
    assert manifest.verified["relative_diff"] < 1e-4
    assert manifest.verified["answers_diff"] < 1e-4


def test_the_classifier_is_right_on_templates_held_out_from_training() -> None:
    manifest = load_package(PACKAGES / "starter-classify").manifest
    measured = judge_classifier(served("starter-classify"))

    assert measured["accuracy"] >= 0.95
    assert_as_stated(measured, manifest.quality)


def test_the_embedder_finds_paraphrases_held_out_from_training() -> None:
    manifest = load_package(PACKAGES / "starter-embed").manifest
    measured = judge_embedder(served("starter-embed"))

    assert measured["nearest_neighbour"] >= 0.9
    assert measured["nearest_neighbour_by_common_words"] < 0.5, "common words alone must not solve the test"
    assert_as_stated(measured, manifest.quality)


def test_held_out_sentences_are_the_same_each_time_and_not_those_of_training() -> None:
    assert held_out_pairs(40, HELD_OUT_SEED) == held_out_pairs(40, HELD_OUT_SEED)
    assert labelled_sentences(60, 1, held_out=True) == labelled_sentences(60, 1, held_out=True)
    assert not {frame for frames in FRAMES.values() for frame in frames} & {
        frame for frames in HELD_OUT_FRAMES.values() for frame in frames
    }
    share = np.mean([is_held_out(meaning) for meaning in all_meanings()])
    assert 0.15 < share < 0.25


def test_the_gallery_holds_other_meanings_only() -> None:
    pairs = held_out_pairs(NUM_PAIRS, HELD_OUT_SEED)

    assert len(pairs) == NUM_PAIRS
    assert len({paraphrase.lower() for _, paraphrase in pairs}) == NUM_PAIRS
    assert all(query.lower() != paraphrase.lower() for query, paraphrase in pairs)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this, it is wonderful!", "positive"),
        ("What a terrible film, I hated it.", "negative"),
        ("The train to Vienna leaves at noon.", "neutral"),
    ],
)
def test_plain_opinions_get_the_plain_answer(text: str, label: str) -> None:
    scores = served("starter-classify").answer([text])[0]

    assert LABELS[int(scores.argmax())] == label
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def test_like_requests_are_near_and_others_far() -> None:
    texts = ["How do I reset my password?", "I want to restore my login", "A dog is running on the beach"]
    vectors = served("starter-embed").answer(texts)
    table = cosines(vectors, vectors)

    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert table[0, 1] > table[0, 2] + 0.3


@pytest.mark.parametrize("name", STARTERS)
def test_any_text_becomes_letters_rather_than_unknown(name: str) -> None:
    model = served(name)
    unknown = model.tokenizer.token_to_id("[UNK]")

    for text in ("Xylophone-Quetzalcoatl 2,500 €", "naïve Ærøskøbing Straße", "Привет, Καλημέρα", "a@b.org #1 {x} ~ ^"):
        assert unknown not in model.tokenize(text).ids, text
    assert unknown in model.tokenize("漢").ids, "signs of a script it does not know are one unknown each"


@pytest.mark.parametrize("name", STARTERS)
def test_a_row_of_the_most_tokens_runs_and_neighbours_change_nothing(name: str) -> None:
    model = served(name)
    longest = "good " * 254
    assert len(model.tokenize(longest).ids) == 256
    texts = ["fine", longest, "The hotel was dirty."]

    together = model.answer(texts)
    alone = np.concatenate([model.answer([text]) for text in texts])

    np.testing.assert_allclose(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_refused(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)

    with pytest.raises(PackageError, match="SHA-256 differs"):
        load_package(copied)


def test_a_link_is_refused_even_to_the_right_content(copied: Path) -> None:
    (copied / "model.onnx").rename(copied.parent / "elsewhere.onnx")
    os.symlink(copied.parent / "elsewhere.onnx", copied / "model.onnx")

    with pytest.raises(PackageError, match="not a plain file"):
        load_package(copied)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('task = "classify"', 'task = "classify"\ncolour = "red"', "colour"),
        ("max_tokens = 256", "max_tokens = 0", "max_tokens"),
        ("[classify]", "[embed]", "embed"),
        ('"tokenizer.json" = ', '"../tokenizer.json" = ', "not a plain file"),
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused(copied: Path, old: str, new: str, message: str) -> None:
    path = copied / "manifest.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")

    with pytest.raises(PackageError, match=message):
        load_package(copied)
