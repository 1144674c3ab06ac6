"""Draw the corpus of the starter translator: phrases alone, sentences with slots, and fixed sentences.

A capital letter at the start and the mark at the end are kept in the translation, and so is their absence; names of
months and days are written as each language has them. After "p.m." English does not show whether a full stop ends the
text, so the translation of some of these phrases has to be guessed.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from onnx_models.starter.texts.templates import capitalized, slots_of
from onnx_models.starter.translate import amounts, moments
from onnx_models.starter.translate.parallel import ParallelText
from onnx_models.starter.translate.samples import Sample, combine
from onnx_models.starter.translate.tables import FIXED, SENTENCES, SLOTS

_DRAW_SLOT: dict[str, Callable[[random.Random], Sample]] = {
    "number": amounts.number,
    "digits": amounts.digits,
    "count": amounts.count,
    "several": lambda rng: amounts.count(rng, least=2),
    "price": amounts.price,
    "duration": amounts.duration,
    "wait": amounts.wait,
    "age": amounts.age,
    "degrees": amounts.degrees,
    "date": moments.on_date,
    "today": moments.today,
    "born": moments.born,
    "when": moments.when,
    "days": moments.days,
    "it_is": moments.it_is,
}
"""The rules that fill slots of sentences."""
_DRAW_ALONE: dict[str, Callable[[random.Random], Sample]] = {
    "number": lambda rng: (amounts.digits if rng.random() < 0.1 else amounts.number)(rng),
    "count": lambda rng: amounts.count(rng, accusative=False),
    "measure": amounts.measure,
    "price": amounts.price,
    "date": lambda rng: rng.choice((moments.date, moments.date, moments.on_date, moments.year))(rng),
    "time": lambda rng: rng.choice((moments.time, moments.time, moments.at_time, moments.when))(rng),
    "days": lambda rng: rng.choice((moments.day, moments.days))(rng),
    "age": amounts.age,
}
"""The rules that draw phrases, by kind."""
HELD_OUT_KINDS = ("number", "count", "price", "date", "time", "sentence")
"""The kinds of the held-out set."""
_CONTRACTIONS = {"It is": "It's", "I am": "I'm", "He is": "He's", "She is": "She's", "I would": "I'd"}
# Only a sentence that begins with one of these may lose its capital letter: a name keeps it.
_NOT_NAMES = frozenset(("The", "My", "Our", "We", "They", "It", "It's", "He", "She", "There"))
_SHARES = {"number": 13, "count": 7, "measure": 2, "price": 4, "date": 6, "time": 10, "days": 1, "age": 1,
           "sentence": 60, "fixed": 2}  # fmt: skip


@dataclass(frozen=True)
class Phrase:
    """One text to translate, and its kind: a key of the shares."""

    kind: str
    text: ParallelText


def training_phrase(rng: random.Random) -> Phrase:
    """Return a phrase in which nothing is held out."""
    (kind,) = rng.choices(list(_SHARES), list(_SHARES.values()))
    while True:
        sample = _draw(rng, kind)
        if not any(sample.held_out):
            return Phrase(kind, sample.text)


def held_out_phrase(rng: random.Random, kind: str) -> Phrase:
    """Return a phrase in which everything is held out that can be; its kind is one of `HELD_OUT_KINDS`."""
    while True:
        sample = _draw(rng, kind)
        if sample.held_out and all(sample.held_out):
            return Phrase(kind, sample.text)


def _draw(rng: random.Random, kind: str) -> Sample:
    if kind == "fixed":
        return Sample(rng.choice(FIXED))
    if kind == "sentence":
        return _sentence(rng, rng.choice(SENTENCES))
    return _alone(rng, _DRAW_ALONE[kind](rng))


def _sentence(rng: random.Random, templates: ParallelText) -> Sample:
    """Fill the slots of a sentence, and capitalize it."""
    parts = {slot: _fill_slot(rng, slot) for slot in slots_of(templates["en"])}
    filled = combine(templates, **parts)
    text = {code: _one_full_stop(capitalized(sentence)) for code, sentence in filled.text.items()}
    return Sample(_as_typed(rng, text), filled.held_out)


def _fill_slot(rng: random.Random, slot: str) -> Sample:
    name = slot.rstrip("0123456789")
    return _DRAW_SLOT[name](rng) if name in _DRAW_SLOT else Sample(rng.choice(SLOTS[name]))


def _as_typed(rng: random.Random, text: ParallelText) -> ParallelText:
    """Sometimes contract an English verb, omit the full stop, or begin with a small letter."""
    if rng.random() < 0.3:
        for full, contraction in _CONTRACTIONS.items():
            text = {**text, "en": re.sub(rf"^{full}\b", contraction, text["en"])}
    if rng.random() < 0.1:
        # In all languages at once, because the translation has to keep what the source has.
        text = {code: sentence.removesuffix(".") for code, sentence in text.items()}
    if rng.random() < 0.05 and text["en"].split(" ")[0] in _NOT_NAMES:
        text = {code: sentence[0].lower() + sentence[1:] for code, sentence in text.items()}
    return text


def _alone(rng: random.Random, sample: Sample) -> Sample:
    """Return a phrase as it is, written as a sentence, or capitalized."""
    form = rng.random()
    if form < 0.25:
        sentence = {code: _one_full_stop(f"{capitalized(phrase)}.") for code, phrase in sample.text.items()}
        return Sample(sentence, sample.held_out)
    if form < 0.4 and sample.text["en"][0].islower():
        return Sample({code: capitalized(phrase) for code, phrase in sample.text.items()}, sample.held_out)
    return sample


def _one_full_stop(sentence: str) -> str:
    """Remove the second full stop of a sentence that ends with an abbreviation."""
    return re.sub(r"\.\.$", ".", sentence)
