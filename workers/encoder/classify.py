"""Classify: texts, or pairs of texts, to scored labels."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from contracts.jobs import Answer
from contracts.model_package.tasks import Classify, ClassifyTask
from contracts.tasks import ClassifyParameters, ClassifyRequest, LabelScore
from workers.encoder.model import EncoderModel
from workers.runtime.batching.work import Work

Scores = npt.NDArray[Any]


def softmax(logits: Scores) -> Scores:
    """Return probabilities that sum to 1 over the last axis."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Scores = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def sigmoid(logits: Scores) -> Scores:
    """Return each label's own probability. Written with tanh, which does not overflow."""
    probabilities: Scores = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return probabilities


def _as_is(logits: Scores) -> Scores:
    return logits


_FUNCTIONS: dict[str, Callable[[Scores], Scores]] = {"softmax": softmax, "sigmoid": sigmoid, "none": _as_is}


def classify(model: EncoderModel, request: bytes, work: Work) -> Answer:
    """Answer one classify job: scored labels, best first, for one input; a list of such lists for a list."""
    job = msgspec.json.decode(request, type=ClassifyRequest)
    inputs = job.inputs if isinstance(job.inputs, list) else [job.inputs]
    logits = work.infer(model, inputs, job.parameters.truncate)
    labels = score_labels(np.stack(logits), job.parameters, model.manifest.task_as(ClassifyTask).classify)
    return Answer(
        output=msgspec.json.encode(labels if isinstance(job.inputs, list) else labels[0]),
        usage=work.usage(),
        timings=work.timings(),
        model_revision=model.revision,
    )


def score_labels(logits: Scores, parameters: ClassifyParameters, manifest: Classify) -> Sequence[list[LabelScore]]:
    """Turn logits, float32 [rows, labels], into labels with scores, best first; equal scores keep the label order."""
    scores = _FUNCTIONS[parameters.function_to_apply or manifest.function_to_apply](logits.astype(np.float64))
    order = np.argsort(-scores, axis=-1, kind="stable")[:, : parameters.top_k]
    return [
        [LabelScore(manifest.labels[label], float(row[label])) for label in best]
        for row, best in zip(scores, order, strict=True)
    ]
