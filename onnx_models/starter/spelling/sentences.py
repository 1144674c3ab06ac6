"""Sentences without errors: templates filled with known words, and now and then with words that no list has.

**Held out from training** are combinations of a template with what fills its gaps.
"""

import random
from itertools import pairwise

from onnx_models.starter.spelling.dictionary import known_words
from onnx_models.starter.spelling.strangers import strange_word
from onnx_models.starter.spelling.templates import TEMPLATES
from onnx_models.starter.spelling.words import KINDS, OPEN
from onnx_models.starter.writing.gaps import Gaps, is_held_out

_STRANGERS_AMONG_OTHERS = 0.3
_ENDS = (".", ".", ".", "?", "!")
_DRESSES = ("{},", "{},", "{},", "{}.", "{};", "{}:", "({})", '"{}"', "{}-", "{}/", "#{}", "{}'s")


def random_sentence(rng: random.Random, *, held_out: bool = False, strangers: float = 0.0) -> str:
    """Return a sentence that training sees, or one that it never sees.

    Args:
        rng: decides what it says.
        held_out: whether training never sees it.
        strangers: how often a word that stands for a thing, a place or a person is one that no list has.
    """
    while True:
        template = rng.choice(TEMPLATES)
        gaps = Gaps(template, {})
        filling = {name: _word_for(name.rstrip("2"), rng, strangers) for name in gaps.names}
        different = len(set(filling.values())) == len(filling)
        if different and is_held_out(template, *filling.values()) == held_out:
            return _with_capital(gaps.fill(filling))


def random_words(rng: random.Random) -> str:
    """Return known words and strange ones in any order: whatever stands beside a word, it is spelt the same."""
    strangers = rng.choice((0.0, 0.1, 0.2, 0.5))
    chosen: list[str] = []
    while len(chosen) < 3 or rng.random() < 0.78:
        word = _any_word(rng, strangers)
        if word not in chosen[-1:]:
            chosen.append(word)
    return _with_capital(" ".join(chosen)) + rng.choice(_ENDS)


def with_other_words(sentence: str, rng: random.Random) -> str:
    """Return a sentence with any word in the place of one, or between two: not all that is right is expected."""
    words = sentence.split(" ")
    place = rng.randrange(1, len(words) - 1)
    words[place : place + rng.randint(0, 1)] = [_any_word(rng, _STRANGERS_AMONG_OTHERS)]
    return sentence if any(one == other for one, other in pairwise(words)) else " ".join(words)


def _any_word(rng: random.Random, strangers: float) -> str:
    """Return a word, with signs at it now and then; or a number."""
    if rng.random() < 0.04:
        return f"{rng.randint(0, 3000)}{rng.choice(('', '', '%', ':30', '.5'))}"
    word = strange_word(rng) if rng.random() < strangers else rng.choice(_KNOWN)
    if rng.random() < 0.06:
        return rng.choice((word.upper(), word.capitalize()))
    return rng.choice(_DRESSES).format(word) if rng.random() < 0.08 else word


def _word_for(kind: str, rng: random.Random, strangers: float) -> str:
    if kind in OPEN and rng.random() < strangers:
        return strange_word(rng, as_name=kind in {"name", "city"})
    return rng.choice(KINDS[kind])


def _with_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_KNOWN = sorted(known_words())
