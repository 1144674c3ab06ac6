"""Measure the starter classifier: accuracy on held-out templates, and on sentences written by hand."""

from collections.abc import Sequence

from contracts.model_package.manifest import Figures
from contracts.model_package.package import ModelPackage
from onnx_models.encoders.texts.served import ServedModel
from onnx_models.starter.classify.sentences import LABELS, PROBES, labelled_sentences
from onnx_models.starter.evaluation import HELD_OUT_SEED, share

NUM_SENTENCES = 900
_BATCH_SIZE = 64


def evaluate(package: ModelPackage) -> Figures:
    """Return the accuracies."""
    served = ServedModel(package)
    held_out = labelled_sentences(NUM_SENTENCES, HELD_OUT_SEED, held_out=True)
    probes = [(text, LABELS.index(label)) for text, label in PROBES]
    return {
        "accuracy": _accuracy(served, held_out),
        "accuracy_handwritten": _accuracy(served, probes),
        "num_sentences": len(held_out),
        "num_handwritten": len(probes),
        "measured_on": "synthetic sentences from templates never trained on, though errors on them guided which others "
        f"were written, seed {HELD_OUT_SEED}; handwritten: onnx_models/starter/classify/probes.txt",
    }


def _accuracy(served: ServedModel, labelled: Sequence[tuple[str, int]]) -> float:
    predicted: list[int] = []
    for start in range(0, len(labelled), _BATCH_SIZE):
        texts = [text for text, _ in labelled[start : start + _BATCH_SIZE]]
        predicted += served.predict(texts).argmax(axis=1).tolist()
    return share(label == prediction for (_, label), prediction in zip(labelled, predicted, strict=True))
