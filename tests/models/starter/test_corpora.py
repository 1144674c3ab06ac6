"""The corpora are still those that the packages were trained on: another text or order would give other weights."""

import hashlib
import json
import random
from collections.abc import Callable

import pytest

from onnx_models.starter.classify.sentences import labelled_sentences
from onnx_models.starter.denoise.corpus import training_example
from onnx_models.starter.embed.paraphrases import training_batches
from onnx_models.starter.generate.corpus import training_text
from onnx_models.starter.summarize.reports import training_pair
from onnx_models.starter.translate.phrases import training_phrase

SEED = 11


@pytest.mark.parametrize(
    ("draw", "digest"),
    [
        (lambda rng: labelled_sentences(1000, SEED), "722f942809b61ffe"),
        (lambda rng: list(training_batches(4, 128, SEED)), "d6d917a84d83c0db"),
        (lambda rng: [training_text(rng) for _ in range(500)], "63eae2e47beb0777"),
        (lambda rng: [training_example(rng, blends) for blends in (0.0, 0.25) for _ in range(500)], "70df1c70f4215165"),
        (lambda rng: [training_phrase(rng).text for _ in range(500)], "da95fba3dd327b1c"),
        (lambda rng: [training_pair(rng) for _ in range(500)], "7b0e39195a41318c"),
    ],
    ids=["classify", "embed", "generate", "denoise", "translate", "summarize"],
)
def test_a_corpus_is_the_one_that_the_package_was_trained_on(
    draw: Callable[[random.Random], object], digest: str
) -> None:
    texts = json.dumps(draw(random.Random(SEED)))

    assert hashlib.sha256(texts.encode()).hexdigest().startswith(digest)
