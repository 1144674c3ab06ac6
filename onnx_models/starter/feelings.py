"""Labelled sentences about what people think of things: what the starter classifier learns from and is judged by.

Three labels: ``negative``, ``neutral``, ``positive``. Opinions come from the templates here; neutral sentences also
come from ``meanings`` (requests, scenes, questions). **Held out from training** are whole templates; their words are
known from training.
"""

import random

from onnx_models.starter.meanings import FRAMES, Meaning, all_meanings
from onnx_models.starter.opinion_templates import BOTH, HELD_OUT_BOTH, HELD_OUT_ONE_SIDED, ONE_SIDED
from onnx_models.starter.opinion_words import SLOTS
from onnx_models.starter.templates import as_typed, fill
from onnx_models.starter.vocabulary import COMMON

LABELS = ("negative", "neutral", "positive")

_SIDES = {
    "positive": {"feel": "good", "other": "bad", "verb": "like", "mood": "happy", "unmood": "sad", "face": "yay"},
    "negative": {"feel": "bad", "other": "good", "verb": "hate", "mood": "sad", "unmood": "happy", "face": "boo"},
}
_NEUTRAL_MEANINGS = [meaning for meaning in all_meanings() if meaning.family != "problem"]


def _slots(label: str) -> dict[str, tuple[str, ...]]:
    side = {name: SLOTS[source] for name, source in _SIDES.get(label, {}).items()}
    plain = {name: tuple(verb for verb in SLOTS[name] if " " not in verb) for name in ("like", "hate")}
    return {**SLOTS, **side, "like_it": plain["like"], "dislike_it": plain["hate"]}


_SLOTS = {label: _slots(label) for label in LABELS}


def say(label: str, rng: random.Random, *, held_out: bool = False) -> str:
    """Return one sentence with this label, as a person might type it."""
    text = _plain(label, rng, held_out)
    return as_typed(text if held_out else _with_surroundings(text, rng), rng)


def _with_surroundings(text: str, rng: random.Random) -> str:
    """Sometimes put a neutral sentence or everyday words around it.

    Without them the model takes the words around an opinion for the opinion, and unknown words for a feeling.
    """
    if rng.random() < 0.5:
        return text
    if rng.random() < 0.5:
        other = _plain("neutral", rng, held_out=False)
    else:
        other = " ".join(rng.choices(COMMON, k=rng.randint(1, 5)))
    parts = [text.rstrip("."), other.rstrip(".")]
    rng.shuffle(parts)
    return rng.choice((". ", ", ", " and ", " - ", "; ", ", so ", " ", ": ")).join(parts)


def _plain(label: str, rng: random.Random, held_out: bool) -> str:
    if label == "neutral" and not held_out and rng.random() < 0.2:
        return fill(" ".join(rng.choices((*COMMON, *["{thing}"] * 40), k=rng.randint(2, 9))), _SLOTS[label], rng)
    if label == "neutral" and rng.random() < 0.4:
        return _neutral_meaning(rng).plain(rng, held_out=held_out)
    both, one_sided = (HELD_OUT_BOTH, HELD_OUT_ONE_SIDED) if held_out else (BOTH, ONE_SIDED)
    templates = one_sided[label] if label == "neutral" or rng.random() < 0.35 else both
    return fill(rng.choice(templates), _SLOTS[label], rng)


def _neutral_meaning(rng: random.Random) -> Meaning:
    """Choose the family first: scenes are so many that they would crowd out the others."""
    family = rng.choice([name for name in FRAMES if name != "problem"])
    return rng.choice([meaning for meaning in _NEUTRAL_MEANINGS if meaning.family == family])


def labelled_sentences(num_sentences: int, seed: int, *, held_out: bool = False) -> list[tuple[str, int]]:
    """Return (sentence, index into ``LABELS``), the labels in equal shares; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    labels = [index % len(LABELS) for index in range(num_sentences)]
    return [(say(LABELS[label], rng, held_out=held_out), label) for label in labels]
