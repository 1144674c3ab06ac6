"""Draw numbers, counted things, prices, times that something takes, ages and temperatures."""

import random

from onnx_models.starter.translating import LANGUAGES, Said, counts
from onnx_models.starter.translating.drawn import Drawn
from onnx_models.starter.translating.numbers import english, french, german, spanish
from onnx_models.starter.writing.gaps import is_held_out

_AND: Said = {"en": " and ", "fr": " et ", "de": " und ", "es": " y "}


def _number_flags(number: int, *names: str) -> tuple[bool, ...]:
    if number >= 100:
        return (is_held_out("number", str(number)),)
    return (is_held_out("count", str(number), *names),) if names else ()


def _small(rng: random.Random, least: int = 1) -> int:
    """Return a number below ten thousand, small ones more often."""
    most = rng.choices((20, 99, 999, 9999), (35, 35, 20, 10))[0]
    return rng.randint(least, most)


def number(rng: random.Random) -> Drawn:
    """Return a number below ten thousand in words."""
    drawn = rng.randint(0, rng.choice((20, 99, 999, 999, 9999)))
    words = english(drawn, with_and=rng.random() < 0.85)
    return Drawn(
        {"en": words, "fr": french(drawn), "de": german(drawn), "es": spanish(drawn)}, _number_flags(drawn)
    )  # fmt: skip


def digits(rng: random.Random) -> Drawn:
    """Return a number below a thousand in digits."""
    drawn = rng.randint(1, rng.choice((99, 999)))
    return Drawn(dict.fromkeys(LANGUAGES, str(drawn)), _number_flags(drawn))


def count(rng: random.Random, *, least: int = 1, accusative: bool = True) -> Drawn:
    """Return so many of a thing, in words or digits."""
    noun, drawn = rng.choice(counts.THINGS), _small(rng, least)
    if rng.random() < 0.3:
        said = counts.counted_in_digits(drawn, noun)
    else:
        said = counts.counted(drawn, noun, accusative=accusative, with_and=rng.random() < 0.85)
    return Drawn(said, _number_flags(drawn, noun.name))


def price(rng: random.Random) -> Drawn:
    """Return a price in words, in digits, or with the sign of the euro."""
    units, cents = rng.randint(1, rng.choice((20, 99, 999))), rng.choice((0, rng.randint(1, 99), 50))
    way, money = rng.choice(("words", "digits", "sign")), rng.choice(counts.MONEY)
    if way == "words" and money.name != "euro":
        cents = 0  # a hundredth of a pound is no cent
    flags = (is_held_out("price", str(units), str(cents)),)
    if way == "sign":
        return Drawn(counts.price_with_sign(units, cents), flags)
    if way == "digits":
        return Drawn(counts.price_in_digits(units, cents, money), flags)
    return Drawn(counts.price_in_words(units, cents, money), flags)


def measure(rng: random.Random, *, dative: bool = False, most: int = len(counts.MEASURES)) -> Drawn:
    """Return how long or how far something is, in words or digits; dative: behind the German "in"."""
    noun = rng.choice(counts.MEASURES[:most])
    drawn = rng.randint(1, rng.choice((12, 99, 99, 999)))
    if rng.random() < 0.3:
        said = counts.counted_in_digits(drawn, noun)
    else:
        said = counts.counted(drawn, noun, with_and=rng.random() < 0.85)
    if dative:
        said = counts.behind_in(said)
    return Drawn(said, _number_flags(drawn, noun.name))


def duration(rng: random.Random) -> Drawn:
    """Return "two hours and ten minutes", or one of the two."""
    if rng.random() < 0.6:
        return measure(rng, most=4)
    hours, minutes = rng.randint(1, 24), rng.randint(1, 59)
    hour, minute = counts.MEASURES[1], counts.MEASURES[0]
    way = counts.counted_in_digits if rng.random() < 0.3 else counts.counted
    flags = (is_held_out("duration", str(hours), str(minutes)),)
    return Drawn(way(hours, hour), flags).then(Drawn(way(minutes, minute)), _AND)


def age(rng: random.Random) -> Drawn:
    """Return how old somebody is."""
    drawn = rng.randint(1, 104)
    return Drawn(counts.old(drawn, in_digits=rng.random() < 0.4), _number_flags(drawn, "age"))


def degrees(rng: random.Random) -> Drawn:
    """Return a temperature, in words or digits."""
    drawn = rng.randint(2, 45)
    way = rng.choice((counts.counted, counts.counted_in_digits))
    return Drawn(way(drawn, counts.MEASURES[-1]), _number_flags(drawn, "degree"))
