"""Days, months and years: alone, and as one says when something happens."""

from dataclasses import dataclass

from onnx_models.starter.templates import words
from onnx_models.starter.translating import Said
from onnx_models.starter.translating.numbers import english, french, german, spanish

_WEEKDAYS = (
    words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    words("lundi, mardi, mercredi, jeudi, vendredi, samedi, dimanche"),
    words("Montag, Dienstag, Mittwoch, Donnerstag, Freitag, Samstag, Sonntag"),
    words("lunes, martes, miércoles, jueves, viernes, sábado, domingo"),
)
_MONTHS = (
    words("January, February, March, April, May, June, July, August, September, October, November, December"),
    words("janvier, février, mars, avril, mai, juin, juillet, août, septembre, octobre, novembre, décembre"),
    words("Januar, Februar, März, April, Mai, Juni, Juli, August, September, Oktober, November, Dezember"),
    words("enero, febrero, marzo, abril, mayo, junio, julio, agosto, septiembre, octubre, noviembre, diciembre"),
)
NUM_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of each month, 29 February among them."""
_EN_ORDINALS = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth", 12: "twelfth"}
_DE_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}


@dataclass(frozen=True)
class Date:
    """A day of a month 1 to 12, in a year or in every one, and on a weekday if that is said."""

    day: int
    month: int
    year: int | None = None
    weekday: int | None = None
    """0: Monday."""
    month_first: bool = False
    """Whether English says "March 3"."""
    suffix: bool = False
    """Whether English says "3rd"."""

    def bare(self) -> Said:
        """Return the date as it stands at the head of a letter: "Monday, 3 March 2025"."""
        said = self._plain()
        if self.weekday is None:
            return said
        en, fr, de, es = (names[self.weekday] for names in _WEEKDAYS)
        return {
            "en": f"{en}, {said['en']}",
            "fr": f"{fr} {said['fr']}",
            "de": f"{de}, {said['de']}",
            "es": f"{es}, {said['es']}",
        }

    def on(self) -> Said:
        """Return when something happens: "on Monday, 3 March"."""
        said = self._plain()
        if self.weekday is None:
            return _on(said)
        en, fr, de, es = (names[self.weekday] for names in _WEEKDAYS)
        return {
            "en": f"on {en}, {said['en']}",
            "fr": f"le {fr} {said['fr']}",
            "de": f"am {de}, dem {said['de']}",
            "es": f"el {es} {said['es']}",
        }

    def in_words(self) -> Said:
        """Return the day of the month in words, without weekday and year: "the third of March"."""
        en, fr, de, es = (names[self.month - 1] for names in _MONTHS)
        return {
            "en": f"the {english_ordinal(self.day)} of {en}",
            "fr": f"le {'premier' if self.day == 1 else french(self.day)} {fr}",
            "de": f"der {german_ordinal(self.day)} {de}",
            "es": f"el {'primero' if self.day == 1 else spanish(self.day)} de {es}",
        }

    def on_in_words(self) -> Said:
        """Return when something happens, in words: "on the third of March"."""
        said = self.in_words()
        german = f"am {said['de'].removeprefix('der ').replace(' ', 'n ')}"
        return {**said, "en": f"on {said['en']}", "de": german}

    def _plain(self) -> Said:
        en, fr, de, es = (names[self.month - 1] for names in _MONTHS)
        year = "" if self.year is None else f" {self.year}"
        day = f"{self.day}{_suffix(self.day)}" if self.suffix else str(self.day)
        return {
            "en": f"{en} {day}{',' if year else ''}{year}" if self.month_first else f"{day} {en}{year}",
            "fr": f"{'1er' if self.day == 1 else self.day} {fr}{year}",
            "de": f"{self.day}. {de}{year}",
            "es": f"{self.day} de {es}{' de' if year else ''}{year}",
        }


def _suffix(day: int) -> str:
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _on(plain: Said) -> Said:
    return {
        "en": f"on {plain['en']}",
        "fr": f"le {plain['fr']}",
        "de": f"am {plain['de']}",
        "es": f"el {plain['es']}",
    }


def weekday(number: int) -> Said:
    """Return the name of a weekday, 0 for Monday."""
    return dict(zip(("en", "fr", "de", "es"), (names[number] for names in _WEEKDAYS), strict=True))


def on_weekday(number: int) -> Said:
    """Return "on Monday"."""
    en, fr, de, es = weekday(number).values()
    return {"en": f"on {en}", "fr": fr, "de": f"am {de}", "es": f"el {es}"}


def on_weekdays(number: int) -> Said:
    """Return "on Mondays": on each of them."""
    en, fr, de, es = weekday(number).values()
    plural = f"{es}s" if es.endswith("o") else es
    return {"en": f"on {en}s", "fr": f"le {fr}", "de": f"{de.lower()}s", "es": f"los {plural}"}


def every_weekday(number: int) -> Said:
    """Return "every Monday"."""
    en, fr, de, es = weekday(number).values()
    return {"en": f"every {en}", "fr": f"chaque {fr}", "de": f"jeden {de}", "es": f"cada {es}"}


def from_to_weekday(first: int, last: int) -> Said:
    """Return "from Monday to Friday"."""
    (en, fr, de, es), (to_en, to_fr, to_de, to_es) = weekday(first).values(), weekday(last).values()
    return {
        "en": f"from {en} to {to_en}",
        "fr": f"du {fr} au {to_fr}",
        "de": f"von {de} bis {to_de}",
        "es": f"de {es} a {to_es}",
    }


def in_month(month: int, year: int | None = None) -> Said:
    """Return "in March" or "in March 2025"."""
    en, fr, de, es = (names[month - 1] for names in _MONTHS)
    if year is None:
        return {"en": f"in {en}", "fr": f"en {fr}", "de": f"im {de}", "es": f"en {es}"}
    return {"en": f"in {en} {year}", "fr": f"en {fr} {year}", "de": f"im {de} {year}", "es": f"en {es} de {year}"}


def in_year(year: int, *, in_words: bool = False) -> Said:
    """Return "in 1984" or "in nineteen eighty-four"; in words 1100 to 2099."""
    if not in_words:
        return {"en": f"in {year}", "fr": f"en {year}", "de": f"im Jahr {year}", "es": f"en {year}"}
    return {
        "en": f"in {_english_year(year)}",
        "fr": f"en {french(year)}",
        "de": f"im Jahr {_german_year(year)}",
        "es": f"en {spanish(year)}",
    }


def _english_year(year: int) -> str:
    if 2000 <= year < 2010:
        return english(year)
    century, rest = divmod(year, 100)
    if rest == 0:
        return f"{english(century)} hundred"
    return f"{english(century)} {'oh ' if rest < 10 else ''}{english(rest)}"


def _german_year(year: int) -> str:
    century, rest = divmod(year, 100)
    if year >= 2000:
        return german(year)
    return f"{german(century)}hundert{german(rest) if rest else ''}"


def english_ordinal(number: int) -> str:
    """Return "twenty-first"; 1 to 31."""
    if number in _EN_ORDINALS:
        return _EN_ORDINALS[number]
    if number % 10 == 0:
        return "tenth" if number == 10 else f"{english(number)[:-1]}ieth"
    if number < 20:
        return f"{english(number)}th"
    return f"{english(number - number % 10)}-{english_ordinal(number % 10)}"


def german_ordinal(number: int) -> str:
    """Return "einundzwanzigste" as it stands behind "der"; 1 to 31."""
    return _DE_ORDINALS.get(number) or f"{german(number)}{'te' if number < 20 else 'ste'}"
