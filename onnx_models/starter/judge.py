"""Measure the starter models on sentences held out from training; needs no training library.

A test makes the same sentences again and asks the packages in the repository, so the figures in their manifests can't
drift from what they do.
"""

import numpy as np

from onnx_models.encoders.texts.served import ServedModel, cosines
from onnx_models.starter.feelings import LABELS, labelled_sentences
from onnx_models.starter.meanings import held_out_pairs
from onnx_models.starter.probes import OPINIONS, SAME_MEANING

HELD_OUT_SEED = 7_654_321
NUM_SENTENCES = 900
NUM_PAIRS = 200
_BATCH = 64

Quality = dict[str, str | float | int]


def judge_classifier(served: ServedModel) -> Quality:
    """Return the share of right labels on held-out templates, and on sentences written by hand."""
    held_out = labelled_sentences(NUM_SENTENCES, HELD_OUT_SEED, held_out=True)
    written = [(text, LABELS.index(label)) for text, label in OPINIONS]
    return {
        "accuracy": _share_right(served, held_out),
        "accuracy_handwritten": _share_right(served, written),
        "num_sentences": len(held_out),
        "num_handwritten": len(written),
        "measured_on": "synthetic sentences from templates never trained on, though errors on them guided which others "
        f"were written, seed {HELD_OUT_SEED}; handwritten: onnx_models/starter/probes.py",
    }


def _share_right(served: ServedModel, labelled: list[tuple[str, int]]) -> float:
    right = 0
    for start in range(0, len(labelled), _BATCH):
        texts, labels = zip(*labelled[start : start + _BATCH], strict=True)
        right += int((served.answer(texts).argmax(axis=1) == np.array(labels)).sum())
    return round(right / len(labelled), 4)


def judge_embedder(served: ServedModel) -> Quality:
    """Return how often a sentence's nearest neighbour is its own paraphrase, in a gallery of other meanings.

    The share by common words alone is given beside it, for scale: what a model without any learning would reach.
    """
    pairs, written = held_out_pairs(NUM_PAIRS, HELD_OUT_SEED), list(SAME_MEANING)
    return {
        "nearest_neighbour": _share_nearest(served, pairs),
        "nearest_neighbour_by_common_words": _share_by_words(pairs),
        "nearest_neighbour_handwritten": _share_nearest(served, written),
        "nearest_neighbour_handwritten_by_common_words": _share_by_words(written),
        "num_pairs": len(pairs),
        "num_handwritten": len(written),
        "measured_on": "synthetic paraphrases; frames and meanings never trained on, though errors on them guided "
        "the training data, seed "
        f"{HELD_OUT_SEED}; handwritten: onnx_models/starter/probes.py",
    }


def _share_nearest(served: ServedModel, pairs: list[tuple[str, str]]) -> float:
    queries, gallery = zip(*pairs, strict=True)
    found = cosines(served.answer(queries), served.answer(gallery)).argmax(axis=1)
    return round(float((found == np.arange(len(pairs))).mean()), 4)


def _share_by_words(pairs: list[tuple[str, str]]) -> float:
    """Rank by the share of common words (Jaccard); of equals the first wins."""
    bags = [(set(query.lower().split()), set(text.lower().split())) for query, text in pairs]
    overlaps = [[len(query & text) / len(query | text) for _, text in bags] for query, _ in bags]
    found = np.array(overlaps).argmax(axis=1)
    return round(float((found == np.arange(len(pairs))).mean()), 4)
