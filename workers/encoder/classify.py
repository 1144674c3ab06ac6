"""The classify task: texts, or pairs of texts, to labels with scores. Step 5 on the path of a job."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from contracts.model_package.manifest import Manifest
from contracts.model_package.tasks import Classify, ClassifyTask
from contracts.tasks.classify import ClassifyParameters, ClassifyRequest, LabelScore
from workers.encoder.handler import EncoderHandler
from workers.encoder.head import Head, first_output
from workers.encoder.model import EncoderModel
from workers.encoder.texts import infer_texts
from workers.runtime.batching.work import BatchWork
from workers.runtime.models.served import TaskOutput

Scores = npt.NDArray[Any]


def softmax(logits: Scores) -> Scores:
    """Return probabilities that sum to 1 over the last axis."""
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))  # the shift changes nothing, but exp can't overflow
    probabilities: Scores = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def sigmoid(logits: Scores) -> Scores:
    """Return the independent probability of each label."""
    # tanh, unlike exp, can't overflow.
    probabilities: Scores = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return probabilities


def _as_is(logits: Scores) -> Scores:
    return logits


_FUNCTIONS: dict[str, Callable[[Scores], Scores]] = {"softmax": softmax, "sigmoid": sigmoid, "none": _as_is}


async def classify(model: EncoderModel, request: ClassifyRequest, work: BatchWork) -> TaskOutput:
    """Run one classify job: a list of scored labels for each input, best first."""
    table = model.manifest.task_as(ClassifyTask).classify
    inputs = request.inputs if isinstance(request.inputs, list) else [request.inputs]
    logits, usage = await infer_texts(model, work, inputs, request.parameters.truncate)
    return TaskOutput(score_labels(np.array(logits), request.parameters, table), usage)


def classify_head(manifest: Manifest) -> Head:
    """Return a head for graphs whose output is the logits of each row."""
    labels = manifest.task_as(ClassifyTask).classify.labels
    return Head(first_output, (len(labels),), {"labels": labels})


CLASSIFY = EncoderHandler(ClassifyRequest, classify, make_head=classify_head, is_quick=True)


def score_labels(logits: Scores, parameters: ClassifyParameters, manifest: Classify) -> Sequence[list[LabelScore]]:
    """Convert logits, float32 [rows, labels], to labels with scores, best first; ties keep the order of labels."""
    # In float64, because `sigmoid` adds 1 to a number near -1: in float32 small probabilities would lose their digits.
    scores = _FUNCTIONS[parameters.function_to_apply or manifest.function_to_apply](logits.astype(np.float64))
    # Negated rather than reversed, because reversing would also reverse the order of ties.
    order = np.argsort(-scores, axis=-1, kind="stable")[:, : parameters.top_k]
    return [
        [LabelScore(manifest.labels[label], float(row[label])) for label in best]
        for row, best in zip(scores, order, strict=True)
    ]
