"""Draw numbers, counted things, prices, durations, ages and temperatures."""

import random

from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.translate import counts
from onnx_models.starter.translate.numbers import english, french, german, spanish
from onnx_models.starter.translate.parallel import LANGUAGES, parallel
from onnx_models.starter.translate.samples import Sample, combine

# From minutes to weeks: `after_in` has no dative of a neuter, such as "ein Jahr".
_DURATIONS = counts.UNITS[:4]


def _number_flags(number: int, *noun: str) -> tuple[bool, ...]:
    # Words of small numbers are too few to hold any of them out, so only their combinations with nouns are.
    if number >= 100:
        return (is_held_out("number", str(number)),)
    return (is_held_out("count", str(number), *noun),) if noun else ()


def _counted(rng: random.Random, number: int, noun: counts.Noun, *, accusative: bool = True) -> Sample:
    """Return a counted noun, in digits or in words."""
    if rng.random() < 0.3:
        text = counts.counted_in_digits(number, noun)
    else:
        text = counts.counted(number, noun, accusative=accusative, with_and=rng.random() < 0.85)
    return Sample(text, _number_flags(number, noun.name))


def number(rng: random.Random) -> Sample:
    """Return a number below ten thousand in words."""
    # The limit is drawn too: of numbers drawn evenly below ten thousand, hardly one would be small.
    drawn = rng.randint(0, rng.choice((20, 99, 999, 999, 9999)))
    # British English has the "and", American English does not; both must be understood.
    words = parallel(english(drawn, with_and=rng.random() < 0.85), french(drawn), german(drawn), spanish(drawn))
    return Sample(words, _number_flags(drawn))


def digits(rng: random.Random) -> Sample:
    """Return a number below a thousand in digits."""
    drawn = rng.randint(1, rng.choice((99, 999)))
    return Sample(dict.fromkeys(LANGUAGES, str(drawn)), _number_flags(drawn))


def count(rng: random.Random, *, least: int = 1, accusative: bool = True) -> Sample:
    """Return a counted thing, in words or digits; small numbers are more frequent."""
    noun = rng.choice(counts.THINGS)
    most = rng.choices((20, 99, 999, 9999), (35, 35, 20, 10))[0]
    return _counted(rng, rng.randint(least, most), noun, accusative=accusative)


def price(rng: random.Random) -> Sample:
    """Return a price in words, in digits, or with the sign of the euro."""
    # The cents in the tuple are drawn even if another entry is chosen: all later draws depend on it.
    units, cents = rng.randint(1, rng.choice((20, 99, 999))), rng.choice((0, rng.randint(1, 99), 50))
    form, currency = rng.choice(("words", "digits", "sign")), rng.choice(counts.CURRENCIES)
    if form == "words" and currency.name != "euro":
        cents = 0  # a hundredth of a pound is not a cent
    flags = (is_held_out("price", str(units), str(cents)),)
    if form == "sign":
        return Sample(counts.price_with_sign(units, cents), flags)
    if form == "digits":
        return Sample(counts.price_in_digits(units, cents, currency), flags)
    return Sample(counts.price_in_words(units, cents, currency), flags)


def measure(rng: random.Random, units: tuple[counts.Noun, ...] = counts.UNITS) -> Sample:
    """Return a length of time or space, a weight or a temperature, in words or digits."""
    unit = rng.choice(units)
    return _counted(rng, rng.randint(1, rng.choice((12, 99, 99, 999))), unit)


def wait(rng: random.Random) -> Sample:
    """Return a duration as it stands after "in"."""
    duration = measure(rng, _DURATIONS)
    return Sample(counts.after_in(duration.text), duration.held_out)


def duration(rng: random.Random) -> Sample:
    """Return "two hours and ten minutes", or a duration in one unit."""
    if rng.random() < 0.6:
        return measure(rng, _DURATIONS)
    hours, minutes = rng.randint(1, 24), rng.randint(1, 59)
    render_count = counts.counted_in_digits if rng.random() < 0.3 else counts.counted
    flags = (is_held_out("duration", str(hours), str(minutes)),)
    return combine(
        "{hours} and {minutes} | {hours} et {minutes} | {hours} und {minutes} | {hours} y {minutes}",
        hours=Sample(render_count(hours, counts.HOUR), flags),
        minutes=Sample(render_count(minutes, counts.MINUTE)),
    )


def age(rng: random.Random) -> Sample:
    """Return the age of a person."""
    drawn = rng.randint(1, 104)
    return Sample(counts.age(drawn, in_digits=rng.random() < 0.4), _number_flags(drawn, "age"))


def degrees(rng: random.Random) -> Sample:
    """Return a temperature, in words or digits."""
    drawn = rng.randint(2, 45)
    render_count = rng.choice((counts.counted, counts.counted_in_digits))
    return Sample(render_count(drawn, counts.DEGREE), _number_flags(drawn, "degree"))
