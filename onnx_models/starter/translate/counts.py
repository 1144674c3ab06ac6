"""Counted things, money and measures: the number agrees with the noun as each language requires."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import msgspec

from onnx_models.starter.texts.data import Rows, load
from onnx_models.starter.translate.numbers import Gender, english, french, german, spanish
from onnx_models.starter.translate.parallel import LANGUAGES, TARGETS, ParallelText, parallel, render

_GERMAN_ONE: dict[Gender, str] = {"m": "ein", "f": "eine", "n": "ein"}
_GERMAN_ONE_ACCUSATIVE: dict[Gender, str] = {"m": "einen", "f": "eine", "n": "ein"}
_CENT = parallel("cent", "centime", "Cent", "céntimo")
_CENTS = parallel("cents", "centimes", "Cent", "céntimos")


@dataclass(frozen=True)
class Noun:
    """A countable noun in each language."""

    singular: ParallelText
    plural: ParallelText
    gender: dict[str, Gender]
    """By the code of the target language."""

    @property
    def name(self) -> str:
        """Its English singular."""
        return self.singular["en"]


class Nouns(tuple[Noun, ...]):
    """A table with a noun a row: English singular and plural; for each target language gender, singular and plural."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the table."""
        nouns = []
        for english_cell, *cells in Rows.parse(text):
            singular, plural = english_cell.split()
            noun = Noun({"en": singular}, {"en": plural}, {})
            for code, cell in zip(TARGETS, cells, strict=True):
                gender, noun.singular[code], noun.plural[code] = cell.split()
                noun.gender[code] = cast(Gender, gender)
            nouns.append(noun)
        return cls(nouns)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    things: Nouns
    currencies: Nouns
    units: Nouns


_FILE = load(Path(__file__).with_name("nouns.toml"), _File)
THINGS, CURRENCIES, UNITS = _FILE.things, _FILE.currencies, _FILE.units
_UNIT_BY_NAME = {unit.name: unit for unit in UNITS}
MINUTE, HOUR, YEAR, DEGREE = (_UNIT_BY_NAME[name] for name in ("minute", "hour", "year", "degree"))


def counted(number: int, noun: Noun, *, accusative: bool = True, with_and: bool = True) -> ParallelText:
    """Return "twenty-one houses" for a number from 1 to 9,999.

    Args:
        number: how many.
        noun: of what.
        accusative: whether German has the accusative, as after "have"; otherwise the nominative.
        with_and: whether English has "one hundred and one".
    """
    if number == 1:
        german_one = (_GERMAN_ONE_ACCUSATIVE if accusative else _GERMAN_ONE)[noun.gender["de"]]
        french_one = "une" if noun.gender["fr"] == "f" else "un"
        numbers = parallel("one", french_one, german_one, "una" if noun.gender["es"] == "f" else "un")
        return _phrase(numbers, noun.singular)
    numbers = parallel(
        english(number, with_and=with_and),
        french(number, noun.gender["fr"]),
        german(number),
        spanish(number, noun.gender["es"], before_noun=True),
    )
    return _phrase(numbers, noun.plural)


def counted_in_digits(number: int, noun: Noun) -> ParallelText:
    """Return "1,250 houses"; each language groups digits its own way, Spanish not below ten thousand."""
    grouped = f"{number:,}"
    numbers = parallel(grouped, grouped.replace(",", " "), grouped.replace(",", "."), str(number))
    return _phrase(numbers, noun.singular if number == 1 else noun.plural)


def age(number: int, *, in_digits: bool = False) -> ParallelText:
    """Return "twenty-one years old", as far as the languages express an age with a noun."""
    count = counted_in_digits(number, YEAR) if in_digits else counted(number, YEAR)
    return render("{years} old | {years} | {years} alt | {years}", years=count)


def price_in_digits(units: int, cents: int, currency: Noun) -> ParallelText:
    """Return "12.50 euros"; the other languages have a decimal comma. French has the plural from two on."""
    names = currency.singular if (units, cents) == (1, 0) else currency.plural
    # "1,50 euro", but "1.50 euros" in English.
    names = {**names, "fr": (currency.singular if units < 2 else currency.plural)["fr"]}
    amount = f"{units}.{cents:02}" if cents else str(units)
    return _phrase({code: amount if code == "en" else amount.replace(".", ",") for code in LANGUAGES}, names)


def price_with_sign(units: int, cents: int) -> ParallelText:
    """Return "€12.50"; the other languages have the sign at the end."""
    amount = f"{units}.{cents:02}" if cents else str(units)
    return {"en": f"€{amount}", **dict.fromkeys(TARGETS, f"{amount.replace('.', ',')} €")}


def price_in_words(units: int, cents: int, currency: Noun) -> ParallelText:
    """Return "twelve euros", or "twelve euros and fifty cents"."""
    whole = counted(units, currency)
    if not cents:
        return whole
    # A price is in the accusative, as after "kosten".
    numbers = parallel(
        english(cents), french(cents), "einen" if cents == 1 else german(cents), spanish(cents, before_noun=True)
    )
    row = "{whole} and {cents} | {whole} et {cents} | {whole} und {cents} | {whole} con {cents}"
    return render(row, whole=whole, cents=_phrase(numbers, _CENT if cents == 1 else _CENTS))


def after_in(duration: ParallelText) -> ParallelText:
    """Return a duration in the German dative, as after "in": "in drei Tagen", "in einer Stunde"."""
    number, noun = duration["de"].split(" ")
    number = {"eine": "einer", "einen": "einem"}.get(number, number)
    singular = number.startswith("eine") or number == "1"
    # The dative plural ends in "n" ("Tagen"), which "Minuten", "Stunden" and "Wochen" already do.
    return {**duration, "de": f"{number} {noun if singular or noun.endswith('n') else f'{noun}n'}"}


def _phrase(numbers: ParallelText, names: ParallelText) -> ParallelText:
    return {code: f"{numbers[code]} {names[code]}" for code in LANGUAGES}
