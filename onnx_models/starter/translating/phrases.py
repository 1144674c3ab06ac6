"""Draw what the starter translator is trained on and judged by: bare phrases, sentences with gaps, and fixed sentences.

A capital letter at the start and the sign at the end go along into the translation, and so does their absence; names
of months and days are written as each language has them. Behind "p.m." English does not show whether a full stop ends
the text, so of such phrases some have to be guessed.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from onnx_models.starter.translating import Said, amounts, moments
from onnx_models.starter.translating.drawn import Drawn
from onnx_models.starter.translating.sentences import FIXED, SENTENCES, THINGS
from onnx_models.starter.writing.gaps import Gaps

GAPS: dict[str, Callable[[random.Random], Drawn]] = {
    "number": amounts.number,
    "digits": amounts.digits,
    "count": amounts.count,
    "several": lambda rng: amounts.count(rng, least=2),
    "price": amounts.price,
    "duration": amounts.duration,
    "wait": lambda rng: amounts.measure(rng, dative=True, most=4),
    "age": amounts.age,
    "degrees": amounts.degrees,
    "date": moments.on_date,
    "today": moments.today,
    "born": moments.born,
    "when": moments.when,
    "days": moments.days,
    "it_is": moments.it_is,
}
"""By the name of a gap, what draws something for it."""
BARE: dict[str, Callable[[random.Random], Drawn]] = {
    "number": lambda rng: (amounts.digits if rng.random() < 0.1 else amounts.number)(rng),
    "count": lambda rng: amounts.count(rng, accusative=False),
    "measure": amounts.measure,
    "price": amounts.price,
    "date": lambda rng: rng.choice((moments.date, moments.date, moments.on_date, moments.year))(rng),
    "time": lambda rng: rng.choice((moments.time, moments.time, moments.at_time, moments.when))(rng),
    "days": lambda rng: rng.choice((moments.day, moments.days))(rng),
    "age": amounts.age,
}
"""By kind, what draws a phrase that stands alone."""
JUDGED = ("number", "count", "price", "date", "time", "sentence")
"""Kinds of which held-out phrases are judged."""
_SHORT = {"It is": "It's", "I am": "I'm", "He is": "He's", "She is": "She's", "I would": "I'd"}
_SMALL = frozenset(("The", "My", "Our", "We", "They", "It", "It's", "He", "She", "There"))
_SHARES = {"number": 13, "count": 7, "measure": 2, "price": 4, "date": 6, "time": 10, "days": 1, "age": 1,
           "sentence": 60, "fixed": 2}  # fmt: skip


@dataclass(frozen=True)
class Phrase:
    """One thing to translate, of a kind: of `BARE`, ``sentence`` or ``fixed``."""

    kind: str
    said: Said


def training_phrase(rng: random.Random) -> Phrase:
    """Return a phrase in which nothing is held out."""
    (kind,) = rng.choices(list(_SHARES), list(_SHARES.values()))
    while True:
        drawn = _draw(rng, kind)
        if not any(drawn.held_out):
            return Phrase(kind, drawn.said)


def held_out_phrase(rng: random.Random, kind: str) -> Phrase:
    """Return a phrase of a kind of `JUDGED` in which everything is held out that can be."""
    while True:
        drawn = _draw(rng, kind)
        if drawn.held_out and all(drawn.held_out):
            return Phrase(kind, drawn.said)


def _draw(rng: random.Random, kind: str) -> Drawn:
    if kind == "fixed":
        return Drawn(rng.choice(FIXED))
    if kind == "sentence":
        return _sentence(rng, rng.choice(SENTENCES))
    return _written(rng, BARE[kind](rng))


def _sentence(rng: random.Random, row: Said) -> Drawn:
    """Fill the gaps of a row; the first letter becomes a capital one."""
    drawn = {gap: _fill(rng, gap) for gap in Gaps(row["en"], {}).names}
    held_out = tuple(flag for each in drawn.values() for flag in each.held_out)
    filling = {code: {gap: each.said[code] for gap, each in drawn.items()} for code in row}
    said = {code: _one_stop(capital(Gaps(text, {}).fill(filling[code]))) for code, text in row.items()}
    return Drawn(_as_typed(rng, said), held_out)


def _as_typed(rng: random.Random, said: Said) -> Said:
    """Sometimes shorten an English verb, leave the full stop away, or begin with a small letter."""
    if rng.random() < 0.3:
        for whole, short in _SHORT.items():
            said = {**said, "en": re.sub(rf"^{whole}\b", short, said["en"])}
    if rng.random() < 0.1:
        said = {code: text.removesuffix(".") for code, text in said.items()}
    if rng.random() < 0.05 and said["en"].split(" ")[0] in _SMALL:
        said = {code: text[0].lower() + text[1:] for code, text in said.items()}
    return said


def _fill(rng: random.Random, gap: str) -> Drawn:
    name = gap.rstrip("0123456789")
    return GAPS[name](rng) if name in GAPS else Drawn(rng.choice(THINGS[name]))


def _written(rng: random.Random, drawn: Drawn) -> Drawn:
    """Leave a bare phrase as it is, or write it as the whole of a sentence, or with a capital letter alone."""
    way = rng.random()
    if way < 0.25:
        return Drawn({code: _one_stop(f"{capital(text)}.") for code, text in drawn.said.items()}, drawn.held_out)
    if way < 0.4 and drawn.said["en"][0].islower():
        return Drawn({code: capital(text) for code, text in drawn.said.items()}, drawn.held_out)
    return drawn


def capital(text: str) -> str:
    """Return a text whose first letter is a capital one, also behind the signs that Spanish opens with."""
    at = next((place for place, sign in enumerate(text) if sign.isalnum()), 0)
    return text[:at] + text[at].upper() + text[at + 1 :]


def _one_stop(text: str) -> str:
    """Return a sentence that ends with one full stop where an abbreviation ends it."""
    return re.sub(r"\.\.$", ".", text)
