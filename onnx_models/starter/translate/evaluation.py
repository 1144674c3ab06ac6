"""Measure the starter translator: exact match with the rules on held-out phrases."""

import random
from functools import partial

from contracts.model_package.manifest import Figures
from contracts.model_package.package import ModelPackage
from onnx_models.starter.evaluation import HELD_OUT_SEED, share
from onnx_models.starter.generation import generate
from onnx_models.starter.texts.held_out import draw_distinct
from onnx_models.starter.translate.parallel import TARGETS
from onnx_models.starter.translate.phrases import HELD_OUT_KINDS, Phrase, held_out_phrase

NUM_PHRASES = 100
"""Phrases of each kind; all are translated into each language."""


def held_out_phrases(num_phrases: int = NUM_PHRASES, seed: int = HELD_OUT_SEED) -> list[Phrase]:
    """Return different phrases of each kind, all held out from training; the same each time."""
    phrases: list[Phrase] = []
    for kind in HELD_OUT_KINDS:
        # A generator for each kind, so that a change of one kind leaves the phrases of the others as they are.
        draw = partial(held_out_phrase, random.Random(f"{seed} {kind}"), kind)  # noqa: S311 - phrases, not secrets
        phrases += draw_distinct(num_phrases, draw, _english, taken={_english(phrase) for phrase in phrases})
    return phrases


def _english(phrase: Phrase) -> str:
    return phrase.text["en"]


def evaluate(package: ModelPackage) -> Figures:
    """Return the shares of exact translations: of all phrases, by language and by kind."""
    phrases = held_out_phrases()
    matches: dict[tuple[str, str], list[bool]] = {}
    for code in TARGETS:
        outputs = generate(package, list(map(_english, phrases)), target=code)
        for phrase, output in zip(phrases, outputs, strict=True):
            matches.setdefault((code, phrase.kind), []).append(output == phrase.text[code])

    def exact(code: str | None = None, kind: str | None = None) -> float:
        chosen = (flags for key, flags in matches.items() if code in (None, key[0]) and kind in (None, key[1]))
        return share(flag for flags in chosen for flag in flags)

    return {
        "exact": exact(),
        **{f"exact_{code}": exact(code=code) for code in TARGETS},
        **{f"exact_{kind}s": exact(kind=kind) for kind in HELD_OUT_KINDS},
        "num_phrases": len(phrases),
        "measured_on": "synthetic English phrases and sentences, each into every language; all numbers, dates, times "
        f"and prices in them, as far as they can be, were never trained on, seed {HELD_OUT_SEED}; exact: every sign as "
        "the rules of onnx_models/starter/translate/ have it",
    }
