"""What a row answers never depends on its neighbours: any batch, any order, any number of clients at once.

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
from tests.parity.conftest import STARTERS

ATOL = 1e-6


def mixed_texts(seed: int, count: int, most: int = 60) -> list[str]:
    """Return texts of 1 to ``most`` words."""
    chance = random.Random(seed)
    words = " ".join([*(text for text, _ in OPINIONS), *(text for pair in PARAPHRASES for text in pair)]).split()
    return [" ".join(chance.choices(words, k=chance.randint(1, most))) for _ in range(count)]


def as_array(model: str, answers: list[Any]) -> "np.ndarray[Any, Any]":
    """Return vectors, or scores in the order of the labels' names, as [inputs, numbers]."""
    if "classify" in model:
        answers = [[entry["score"] for entry in sorted(row, key=lambda entry: entry["label"])] for row in answers]
    return np.array(answers)


@pytest.mark.parametrize("model", ["starter-embed", "starter-classify"])
def test_alone_in_one_job_and_among_others_a_text_has_one_answer(starters: Worker, model: str) -> None:
    texts = mixed_texts(1, 120)
    alone = as_array(model, [starters.ask(model, text) for text in texts])
    before = starters.engine.figures().num_batches

    together = as_array(model, starters.ask(model, texts))
    np.testing.assert_allclose(together, alone, atol=ATOL, rtol=0)
    backwards = as_array(model, starters.ask(model, texts[::-1]))[::-1]
    np.testing.assert_allclose(backwards, alone, atol=ATOL, rtol=0)
    at_once = as_array(model, starters.ask_all(model, texts))
    np.testing.assert_allclose(at_once, alone, atol=ATOL, rtol=0)
    assert starters.engine.figures().num_batches - before < 3 * len(texts), "rows did share batches"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 16, 33])
def test_any_company_gives_the_same_answer(starters: Worker, count: int) -> None:
    text = "how do I get a new password"
    alone = np.array(starters.ask("starter-embed", text))
    company = mixed_texts(count, count, most=12)
    place = count // 2
    among = starters.ask("starter-embed", [*company[:place], text, *company[place:]])[place]
    np.testing.assert_allclose(among, alone, atol=ATOL, rtol=0)


@pytest.mark.parametrize("model", ["starter-embed", "starter-classify"])
def test_the_worker_answers_as_the_exporters_own_reading_of_the_package(starters: Worker, model: str) -> None:
    """`onnx_models.encoders.texts.served` pads, pools and scores with its own code, which was checked against torch."""
    texts = mixed_texts(2, 40)
    served = ServedModel(load_package(STARTERS / model))
    expected, task = served.answer(texts), served.manifest.task
    if isinstance(task, ClassifyTask):
        expected = expected[:, np.argsort(task.classify.labels)]
    np.testing.assert_allclose(as_array(model, starters.ask(model, texts)), expected, atol=ATOL, rtol=0)


def test_the_real_model_in_any_batch(minilm: Worker) -> None:
    texts = mixed_texts(3, 48, most=80)
    alone = np.array([minilm.ask("minilm", text) for text in texts])
    np.testing.assert_allclose(minilm.ask("minilm", texts), alone, atol=ATOL, rtol=0)
    np.testing.assert_allclose(minilm.ask_all("minilm", texts), alone, atol=ATOL, rtol=0)
