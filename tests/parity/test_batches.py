"""The answer to an input does not depend on its batch: its size, the order of inputs, or the number of clients.

Tolerance: one float32 operation errs by 6e-8 of its result, and a batch of another shape adds the same numbers in
another order. Vectors of length 1 and scores have entries of at most 1, so 1e-6 allows for some ten such errors.
"""

import random
from typing import Any

import numpy as np
import pytest

from contracts.model_package.package import load_package
from contracts.model_package.tasks import ClassifyTask
from onnx_models.encoders.texts.served import ServedModel
from onnx_models.starter.classify.sentences import PROBES as OPINIONS
from onnx_models.starter.embed.paraphrases import PROBES as PARAPHRASES
from tests.parity.builders import Worker
from tests.support.paths import STARTERS

ATOL = 1e-6


def mixed_texts(seed: int, num_texts: int, max_words: int = 60) -> list[str]:
    """Return texts of 1 to ``max_words`` words."""
    chance = random.Random(seed)
    words = " ".join([*(text for text, _ in OPINIONS), *(text for pair in PARAPHRASES for text in pair)]).split()
    return [" ".join(chance.choices(words, k=chance.randint(1, max_words))) for _ in range(num_texts)]


def as_array(model: str, answers: list[Any]) -> "np.ndarray[Any, Any]":
    """Return vectors, or scores in the order of the labels' names, as [inputs, numbers]."""
    if "classify" in model:
        answers = [[entry["score"] for entry in sorted(row, key=lambda entry: entry["label"])] for row in answers]
    return np.array(answers)


@pytest.mark.parametrize("model", ["starter-embed", "starter-classify"])
def test_a_text_has_the_same_answer_isolated_batched_and_in_concurrent_jobs(starters: Worker, model: str) -> None:
    texts = mixed_texts(1, 120)
    isolated = as_array(model, [starters.run_job(model, text) for text in texts])
    before = starters.engine.figures().num_batches

    together = as_array(model, starters.run_job(model, texts))
    np.testing.assert_allclose(together, isolated, atol=ATOL, rtol=0)
    backwards = as_array(model, starters.run_job(model, texts[::-1]))[::-1]
    np.testing.assert_allclose(backwards, isolated, atol=ATOL, rtol=0)
    at_once = as_array(model, starters.run_jobs(model, texts))
    np.testing.assert_allclose(at_once, isolated, atol=ATOL, rtol=0)
    assert starters.engine.figures().num_batches - before < 3 * len(texts), "the texts did not share batches"


@pytest.mark.parametrize("num_texts", [1, 2, 3, 7, 16, 33])
def test_an_answer_does_not_depend_on_the_batch_composition(starters: Worker, num_texts: int) -> None:
    text = "how do I get a new password"
    isolated = np.array(starters.run_job("starter-embed", text))
    others = mixed_texts(num_texts, num_texts, max_words=12)
    position = num_texts // 2
    among = starters.run_job("starter-embed", [*others[:position], text, *others[position:]])[position]
    np.testing.assert_allclose(among, isolated, atol=ATOL, rtol=0)


@pytest.mark.parametrize("model", ["starter-embed", "starter-classify"])
def test_the_worker_answers_like_the_exporters_own_implementation(starters: Worker, model: str) -> None:
    """`onnx_models.encoders.texts.served` pads, pools and scores with its own code, which was checked against torch."""
    texts = mixed_texts(2, 40)
    served = ServedModel(load_package(STARTERS / model))
    expected, task = served.predict(texts), served.manifest.task
    if isinstance(task, ClassifyTask):
        expected = expected[:, np.argsort(task.classify.labels)]
    np.testing.assert_allclose(as_array(model, starters.run_job(model, texts)), expected, atol=ATOL, rtol=0)


def test_the_answers_of_a_real_model_do_not_depend_on_the_batch_composition(minilm: Worker) -> None:
    texts = mixed_texts(3, 48, max_words=80)
    isolated = np.array([minilm.run_job("minilm", text) for text in texts])
    np.testing.assert_allclose(minilm.run_job("minilm", texts), isolated, atol=ATOL, rtol=0)
    np.testing.assert_allclose(minilm.run_jobs("minilm", texts), isolated, atol=ATOL, rtol=0)
