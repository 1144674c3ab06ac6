"""Sentences labelled with their sentiment: the corpus of the starter classifier.

Opinions come from the templates of ``templates.toml``; neutral sentences also come from the paraphrases of the starter
embedding model (requests, scenes, questions). **Held out from training** are whole templates; their words are known.

What the first models got wrong in held-out templates (negation, a sentiment read out of neutral words) decided which
other templates were added, so the accuracy on them is a figure of development. Of the probes only the share of right
answers was ever looked at.
"""

import random
from collections.abc import Mapping
from pathlib import Path

import msgspec

from onnx_models.starter.embed.paraphrases import FRAMES, Meaning, all_meanings
from onnx_models.starter.texts.data import Lines, Phrases, Rows, Words, load
from onnx_models.starter.texts.pseudo_words import pseudo_words
from onnx_models.starter.texts.templates import fill_at_random
from onnx_models.starter.texts.typing_noise import as_typed
from onnx_models.starter.texts.vocabulary import COMMON_WORDS, GROUPS, OBJECTS

LABELS = ("negative", "neutral", "positive")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    words: dict[str, Words]
    phrases: dict[str, Phrases]


_FOLDER = Path(__file__).parent
_TEMPLATES = load(_FOLDER / "templates.toml", dict[str, dict[str, Lines]])
_FILE = load(_FOLDER / "slots.toml", _File)
_OBJECT_NAMES = tuple(name for kind in OBJECTS.values() for group in kind for name in group if " " not in name)
_SLOTS: dict[str, tuple[str, ...]] = {
    **_FILE.words,
    **_FILE.phrases,
    # Without unknown things the model reads a sentiment out of any word that it does not know.
    "thing": _OBJECT_NAMES + _FILE.words["thing"] + ("{unknown}",) * 40,
    "unknown": pseudo_words(3000),
    "doing": tuple(phrase for group in GROUPS["activities"] for phrase in group if phrase.split()[0].endswith("ing")),
    "but": (", but", ", yet", "; however", " but in the end", ", but actually", ", but then", " -", ", though now"),
    # In "nobody will {like_it} it" the verb follows an auxiliary, where "am happy with" can't stand.
    "like_it": tuple(verb for verb in _FILE.words["like"] if " " not in verb),
    "dislike_it": tuple(verb for verb in _FILE.words["hate"] if " " not in verb),
}
_SIDES = {
    "positive": {"feel": "good", "other": "bad", "verb": "like", "mood": "happy", "unmood": "sad", "face": "yay"},
    "negative": {"feel": "bad", "other": "good", "verb": "hate", "mood": "sad", "unmood": "happy", "face": "boo"},
    "neutral": {},
}
"""For each label the word lists that fill the slots of templates which fit either sentiment."""
_CHOICES: dict[str, Mapping[str, tuple[str, ...]]] = {
    label: {**_SLOTS, **{slot: _SLOTS[source] for slot, source in side.items()}} for label, side in _SIDES.items()
}
# Problems are complaints, so they are not neutral.
_NEUTRAL_MEANINGS = [meaning for meaning in all_meanings() if meaning.family != "problem"]

_PROBES = Rows.parse((_FOLDER / "probes.txt").read_text(encoding="utf-8"))
PROBES = tuple((text, label) for label, text in _PROBES)
"""Sentences written by hand before the first training run, with their labels; never trained on. The figures that they
give are low bars to look at, not goals: a model that knows only templates can't be good at free text."""


def labelled_sentences(num_sentences: int, seed: int, *, held_out: bool = False) -> list[tuple[str, int]]:
    """Return (sentence, index into ``LABELS``), the labels in equal shares; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - sentences, not secrets
    # In turn, so that every batch has all labels alike without shuffling.
    labels = [index % len(LABELS) for index in range(num_sentences)]
    # One stream of draws for all: a longer corpus begins with the sentences of a shorter one.
    return [(_typed_sentence(LABELS[label], rng, held_out), label) for label in labels]


def _typed_sentence(label: str, rng: random.Random, held_out: bool) -> str:
    text = _sentence(label, rng, held_out)
    return as_typed(text if held_out else _with_context(text, rng), rng)


def _with_context(text: str, rng: random.Random) -> str:
    """Sometimes put a neutral sentence or everyday words next to it.

    Without them the model takes the words around an opinion for the opinion, and unknown words for a sentiment.
    """
    if rng.random() < 0.5:
        return text
    if rng.random() < 0.5:
        other = _sentence("neutral", rng, held_out=False)
    else:
        other = " ".join(rng.choices(COMMON_WORDS, k=rng.randint(1, 5)))
    parts = [text.rstrip("."), other.rstrip(".")]
    rng.shuffle(parts)
    return rng.choice((". ", ", ", " and ", " - ", "; ", ", so ", " ", ": ")).join(parts)


def _sentence(label: str, rng: random.Random, held_out: bool) -> str:
    if label == "neutral" and not held_out and rng.random() < 0.2:
        # Words in any order: those that carry no sentiment must stay neutral wherever they stand.
        mixture = " ".join(rng.choices((*COMMON_WORDS, *["{thing}"] * 40), k=rng.randint(2, 9)))
        return fill_at_random(mixture, _CHOICES[label], rng)
    if label == "neutral" and rng.random() < 0.4:
        return _neutral_meaning(rng).sentence(rng, held_out=held_out)
    templates = _TEMPLATES["held_out" if held_out else "train"]
    chosen = templates[label if label == "neutral" or rng.random() < 0.35 else "both"]
    return fill_at_random(rng.choice(chosen), _CHOICES[label], rng)


def _neutral_meaning(rng: random.Random) -> Meaning:
    """Choose the family first: there are so many scenes that they would crowd out the others."""
    family = rng.choice([name for name in FRAMES if name != "problem"])
    return rng.choice([meaning for meaning in _NEUTRAL_MEANINGS if meaning.family == family])
