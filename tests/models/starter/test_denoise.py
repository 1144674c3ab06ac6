"""The starter corrector: its corrections, and an evaluation that accepts nothing but the right one."""

import pytest

from contracts.model_package.package import ModelPackage
from onnx_models.starter.denoise.corpus import held_out_examples
from onnx_models.starter.evaluation import HELD_OUT_SEED, exact_match
from onnx_models.starter.generation import generate
from onnx_models.starter.texts.example import Example
from tests.models.starter.conftest import starter_package


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return starter_package("denoise")


def test_the_evaluation_accepts_only_exact_corrections(package: ModelPackage) -> None:
    """If it accepted what is nearly right, any model would look good."""
    examples = held_out_examples(50, HELD_OUT_SEED)
    changed = [Example(example.source, example.target[:-1]) for example in examples]
    reversed_ = [Example(example.target, example.source) for example in examples]

    assert exact_match(package, changed) == 0
    assert exact_match(package, reversed_) == 0


def test_the_rest_of_the_batch_changes_nothing(package: ModelPackage) -> None:
    sources = [example.source for example in held_out_examples(24, 9)]

    assert generate(package, sources) == [generate(package, [source])[0] for source in sources]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Teh dog is sleeping in the gardn.", "The dog is sleeping in the garden."),
        ("anna put thelamp in the kitchen", "Anna put the lamp in the kitchen."),
        ("Where is my  blue jacket ?", "Where is my blue jacket?"),
        ("The train to london leaves at 15 minutes past six.", "The train to London leaves at 15 minutes past six."),
        ("Please sign the contract before Friday.", "Please sign the contract before Friday."),
    ],
)
def test_plain_errors_get_the_plain_correction(package: ModelPackage, source: str, target: str) -> None:
    assert generate(package, [source]) == [target]
