"""Measure the starter translator on phrases held out from training; needs no training library."""

import random

from contracts.model_package.package import ModelPackage
from onnx_models.starter.answering import answer_texts
from onnx_models.starter.judge import HELD_OUT_SEED, Quality
from onnx_models.starter.translating import TARGETS
from onnx_models.starter.translating.phrases import JUDGED, Phrase, held_out_phrase

NUM_PHRASES = 100
"""Of each kind, all of them in each language."""


def held_out_phrases(num_phrases: int = NUM_PHRASES, seed: int = HELD_OUT_SEED) -> list[Phrase]:
    """Return so many different phrases of each kind, all held out from training; the same each time."""
    phrases: dict[str, Phrase] = {}
    for number, kind in enumerate(JUDGED, start=1):
        rng = random.Random(f"{seed} {kind}")  # noqa: S311 - phrases, not secrets
        while len(phrases) < number * num_phrases:
            phrase = held_out_phrase(rng, kind)
            phrases.setdefault(phrase.said["en"], phrase)
    return list(phrases.values())


def judge_translator(package: ModelPackage, num_phrases: int = NUM_PHRASES) -> Quality:
    """Return the shares of phrases translated as the rules do it to the last sign: in all, by language, by kind."""
    phrases = held_out_phrases(num_phrases)
    names = ("exact", *(f"exact_{code}" for code in TARGETS), *(f"exact_{kind}s" for kind in JUDGED))
    right: dict[str, list[bool]] = {name: [] for name in names}
    for code in TARGETS:
        answers = answer_texts(package, [phrase.said["en"] for phrase in phrases], target=code)
        for phrase, answer in zip(phrases, answers, strict=True):
            for name in ("exact", f"exact_{code}", f"exact_{phrase.kind}s"):
                right[name].append(answer == phrase.said[code])
    shares: Quality = {name: round(sum(marks) / len(marks), 4) for name, marks in right.items()}
    return shares | {
        "num_phrases": len(phrases),
        "measured_on": "synthetic English phrases and sentences, each into every language; all numbers, dates, times "
        f"and prices in them, as far as they can be, were never trained on, seed {HELD_OUT_SEED}; exact: every sign as "
        "the rules of onnx_models/starter/translating/ have it",
    }
