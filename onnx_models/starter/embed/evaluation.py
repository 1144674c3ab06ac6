"""Measure the starter embedding model: how often the nearest neighbour of a sentence is its own paraphrase."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from contracts.model_package.manifest import Figures
from contracts.model_package.package import ModelPackage
from onnx_models.encoders.texts.served import ServedModel, cosines
from onnx_models.starter.embed.paraphrases import PROBES, held_out_pairs
from onnx_models.starter.evaluation import HELD_OUT_SEED, share

NUM_PAIRS = 200
_Pairs = Sequence[tuple[str, str]]


def evaluate(package: ModelPackage) -> Figures:
    """Return the top-1 accuracy of retrieval in a gallery of other meanings.

    For comparison, the accuracy by common words alone is what a model without any learning would reach.
    """
    served = ServedModel(package)
    held_out = held_out_pairs(NUM_PAIRS, HELD_OUT_SEED)
    return {
        "nearest_neighbour": _accuracy(_similarities(served, held_out)),
        "nearest_neighbour_by_common_words": _accuracy(_overlaps(held_out)),
        "nearest_neighbour_handwritten": _accuracy(_similarities(served, PROBES)),
        "nearest_neighbour_handwritten_by_common_words": _accuracy(_overlaps(PROBES)),
        "num_pairs": len(held_out),
        "num_handwritten": len(PROBES),
        "measured_on": "synthetic paraphrases; frames and meanings never trained on, though errors on them guided "
        f"the training data, seed {HELD_OUT_SEED}; handwritten: onnx_models/starter/embed/probes.txt",
    }


def _accuracy(similarities: ArrayLike) -> float:
    """Return how often the greatest number of a row is on the diagonal, of [queries, gallery]; of equals the first."""
    nearest = np.argmax(similarities, axis=1)
    return share((nearest == np.arange(len(nearest))).tolist())


def _similarities(served: ServedModel, pairs: _Pairs) -> ArrayLike:
    queries, gallery = zip(*pairs, strict=True)
    similarities: ArrayLike = cosines(served.predict(queries), served.predict(gallery))
    return similarities


def _overlaps(pairs: _Pairs) -> list[list[float]]:
    """Return the Jaccard index of the words of each query with those of each paraphrase."""
    bags = [(set(query.lower().split()), set(text.lower().split())) for query, text in pairs]
    return [[len(query & text) / len(query | text) for _, text in bags] for query, _ in bags]
