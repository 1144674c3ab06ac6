"""The starter corrector in the repository: small, and as good as its manifest says.

Runs on what a worker has: onnxruntime, tokenizers, numpy. The held-out sentences are made again here.
"""

import pytest

from contracts.model_package.package import ModelPackage, load_package
from onnx_models.starter.judge import HELD_OUT_SEED
from onnx_models.starter.judge_correcting import judge_corrector, share_right
from onnx_models.starter.spelling.correcting import correct
from onnx_models.starter.spelling.exercises import Exercise, held_out_exercises
from tests.models.conftest import ROOT

PACKAGE = ROOT / "onnx_models" / "packages" / "starter-denoise"
MAX_BYTES = 8_000_000


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return load_package(PACKAGE)


def test_it_is_small_and_says_what_it_is(package: ModelPackage) -> None:
    manifest = package.manifest

    assert sum(path.stat().st_size for path in package.path.iterdir()) <= MAX_BYTES
    assert (manifest.name, manifest.family, manifest.task) == ("starter-denoise", "seq2seq", "denoise")
    assert (manifest.graph, manifest.architecture) == ("recurrent", "lstm-attention")
    assert manifest.licence == "Apache-2.0"
    assert (ROOT / manifest.source).is_file()
    assert "not for production" in manifest.description
    assert (manifest.limits.max_tokens, manifest.limits.max_new_tokens) == (256, 256)
    assert manifest.verified["relative_diff"] < 1e-4
    assert manifest.verified["same_tokens"] == 1.0


def test_it_corrects_and_leaves_alone_as_often_as_the_manifest_says(package: ModelPackage) -> None:
    measured, stated = judge_corrector(package), package.manifest.quality

    assert measured.keys() == stated.keys()
    for name, value in measured.items():
        # A few sentences on the edge may tip on another CPU.
        few = 0.09 if "handwritten" in name else 0.01
        assert value == (pytest.approx(stated[name], abs=few) if isinstance(value, float) else stated[name]), name
    assert measured["corrected"] >= 0.8
    assert measured["corrected_unseen_misspellings"] >= 0.8
    assert measured["clean_kept"] >= 0.98


def test_the_judge_refuses_what_is_not_wholly_right(package: ModelPackage) -> None:
    """One who counts what is nearly right would make any model look good."""
    exercises = held_out_exercises(50, HELD_OUT_SEED)
    changed = [Exercise(exercise.typed, exercise.right[:-1]) for exercise in exercises]
    undone = [Exercise(exercise.right, exercise.typed) for exercise in exercises]

    assert share_right(package, changed) == 0
    assert share_right(package, undone) == 0


def test_neighbours_change_nothing(package: ModelPackage) -> None:
    typed = [exercise.typed for exercise in held_out_exercises(24, 9)]

    assert correct(package, typed) == [correct(package, [text])[0] for text in typed]


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("Teh dog is sleeping in the gardn.", "The dog is sleeping in the garden."),
        ("anna put thelamp in the kitchen", "Anna put the lamp in the kitchen."),
        ("Where is my  blue jacket ?", "Where is my blue jacket?"),
        ("The train to london leaves at 15 minutes past six.", "The train to London leaves at 15 minutes past six."),
        ("Please sign the contract before Friday.", "Please sign the contract before Friday."),
    ],
)
def test_plain_errors_get_the_plain_correction(package: ModelPackage, typed: str, right: str) -> None:
    assert correct(package, [typed]) == [right]
