"""Draw what fills the slots of reports: names, figures and words.

**Held out from training**, one in five by checksum: names, and figures of two digits and more.
"""

import random
from collections.abc import Callable
from pathlib import Path

import msgspec

from onnx_models.starter.texts.data import Words, load
from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.texts.vocabulary import MONTHS, WEEKDAYS


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    words: dict[str, Words]
    figures: dict[str, tuple[int, int]]
    names: dict[str, Words]


_FILE = load(Path(__file__).with_name("slots.toml"), _File)
WORDS = _FILE.words | {"day": WEEKDAYS, "otherday": WEEKDAYS, "month": MONTHS, "vehicle2": _FILE.words["vehicle"]}
"""By slot the words that it may hold."""
FIGURES = _FILE.figures
"""By slot the least and the greatest value."""
_PARTS = _FILE.names
_CODAS = (*_PARTS["codas"], *6 * ("",))  # six of twenty syllables end with their vowel


def draw(rng: random.Random, slot: str, *, held_out: bool = False) -> str:
    """Return what fills a slot; names and figures are those of training, or those that are held out."""
    if slot in WORDS:
        return rng.choice(WORDS[slot])
    if slot in FIGURES:
        return _figure(rng, *FIGURES[slot], held_out)
    if slot in NAMES:
        return NAMES[slot](rng, held_out)
    return str(rng.randint(0, 9))


def company(rng: random.Random, held_out: bool) -> str:
    """Return the name of a company, of a family or of a town, which are all made alike."""
    return _draw_name(rng, held_out, _composed)


def _place(rng: random.Random, held_out: bool) -> str:
    name = _draw_name(rng, held_out, lambda rng: rng.choice(_PARTS["towns"]) if rng.random() < 0.15 else _composed(rng))
    return f"{rng.choice(_PARTS['before_towns'])} {name}" if rng.random() < 0.08 else name


def _person(rng: random.Random, held_out: bool) -> str:
    return f"{rng.choice(_PARTS['first_names'])} {company(rng, held_out)}"


def _club(rng: random.Random, held_out: bool) -> str:
    """Return the name of a team: of a town, of a club, or of both."""
    form = rng.random()
    if form < 0.3:
        return rng.choice(_PARTS["clubs"])
    town = _place(rng, held_out)
    return town if form < 0.6 else f"{town} {rng.choice(_PARTS['clubs'])}"


NAMES: dict[str, Callable[[random.Random, bool], str]] = {
    **dict.fromkeys(("place", "town"), _place),
    **dict.fromkeys(("winner", "loser", "home", "guest"), _club),
    **dict.fromkeys(("person", "artist"), _person),
    "company": company,
}
"""By slot what draws its name."""


def _figure(rng: random.Random, least: int, most: int, held_out: bool) -> str:
    """Return a number in digits; those below ten are never held out."""
    while True:
        number = rng.randint(least, most)
        if number < 10 or is_held_out("figure", str(number)) == held_out:
            return str(number)


def _draw_name(rng: random.Random, held_out: bool, make: Callable[[random.Random], str]) -> str:
    while True:
        name = make(rng)
        if is_held_out("name", name) == held_out:
            return name


def _composed(rng: random.Random) -> str:
    """Return a name of two known parts, or of two or three syllables."""
    if rng.random() < 0.7:
        return rng.choice(_PARTS["starts"]) + rng.choice(_PARTS["ends"])
    syllables = (
        rng.choice(_PARTS["onsets"]) + rng.choice(_PARTS["vowels"]) + rng.choice(_CODAS)
        for _ in range(rng.choice((2, 2, 3)))
    )
    return "".join(syllables).capitalize()
