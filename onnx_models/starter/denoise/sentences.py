"""Sentences without errors: templates filled with known words, and sometimes with unknown ones.

**Held out from training** are combinations of a template with what fills its slots.
"""

import random
from itertools import pairwise

from onnx_models.starter.denoise.dictionary import SLOTS, TEMPLATES, known_words
from onnx_models.starter.denoise.unknown_words import unknown_word
from onnx_models.starter.texts.data import Words
from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.texts.templates import fill, slots_of

_OPEN_SLOTS = Words.parse(
    "name, city, person, animal, food, plant, thing, building, place, vehicle, subject, device, file, work"
)
"""Slots that an unknown word may fill."""
_UNKNOWN_AMONG_OTHERS = 0.3
_ENDS = (".", ".", ".", "?", "!")
_PUNCTUATED = ("{},", "{},", "{},", "{}.", "{};", "{}:", "({})", '"{}"', "{}-", "{}/", "#{}", "{}'s")


def random_sentence(rng: random.Random, *, held_out: bool = False, unknown: float = 0.0) -> str:
    """Return a sentence that is in training, or one that is held out.

    Args:
        rng: decides what it says.
        held_out: whether it is held out from training.
        unknown: the share of unknown words among those for things, places and persons.
    """
    while True:
        template = rng.choice(TEMPLATES)
        values = {slot: _value_for(slot.rstrip("2"), rng, unknown) for slot in slots_of(template)}
        all_differ = len(set(values.values())) == len(values)
        if all_differ and is_held_out(template, *values.values()) == held_out:
            return _capitalized(fill(template, values))


def random_words(rng: random.Random) -> str:
    """Return known and unknown words in any order: the spelling of a word does not depend on its neighbours."""
    unknown = rng.choice((0.0, 0.1, 0.2, 0.5))
    chosen: list[str] = []
    while len(chosen) < 3 or rng.random() < 0.78:
        word = _any_word(rng, unknown)
        # A word twice in a row is an error, not a target.
        if word not in chosen[-1:]:
            chosen.append(word)
    return _capitalized(" ".join(chosen)) + rng.choice(_ENDS)


def with_other_word(sentence: str, rng: random.Random) -> str:
    """Replace a word by any other, or insert one between two: correct text is not always expected text."""
    parts = sentence.split(" ")
    # Never the first word, which has the capital letter, nor the last one, which has the mark.
    place = rng.randrange(1, len(parts) - 1)
    parts[place : place + rng.randint(0, 1)] = [_any_word(rng, _UNKNOWN_AMONG_OTHERS)]
    # A word twice in a row is an error, not a target.
    return sentence if any(one == other for one, other in pairwise(parts)) else " ".join(parts)


def _any_word(rng: random.Random, unknown: float) -> str:
    """Return a word, sometimes with punctuation marks; or a number."""
    if rng.random() < 0.04:
        return f"{rng.randint(0, 3000)}{rng.choice(('', '', '%', ':30', '.5'))}"
    word = unknown_word(rng) if rng.random() < unknown else rng.choice(_KNOWN_WORDS)
    if rng.random() < 0.06:
        return rng.choice((word.upper(), word.capitalize()))
    return rng.choice(_PUNCTUATED).format(word) if rng.random() < 0.08 else word


def _value_for(slot: str, rng: random.Random, unknown: float) -> str:
    if slot in _OPEN_SLOTS and rng.random() < unknown:
        return unknown_word(rng, as_name=slot in {"name", "city"})
    return rng.choice(SLOTS[slot])


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


# Sorted, since a set has another order in each process.
_KNOWN_WORDS = sorted(known_words())
