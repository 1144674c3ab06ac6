"""Days, months and years: alone, and as adverbials of time such as "on Monday"."""

from dataclasses import dataclass

from onnx_models.starter.translate.numbers import english, french, german, spanish
from onnx_models.starter.translate.parallel import ParallelText, parallel, render
from onnx_models.starter.translate.tables import MONTHS, WEEKDAYS

NUM_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days of each month; 29 February is a date."""
_ENGLISH_ORDINALS = {1: "first", 2: "second", 3: "third", 5: "fifth", 8: "eighth", 9: "ninth", 12: "twelfth"}
_GERMAN_ORDINALS = {1: "erste", 3: "dritte", 7: "siebte", 8: "achte"}


@dataclass(frozen=True)
class Date:
    """A day of a month, with or without year and weekday."""

    day: int
    month: int
    """1 to 12."""
    year: int | None = None
    weekday: int | None = None
    """0: Monday."""
    month_first: bool = False
    """Whether English has "March 3"."""
    suffix: bool = False
    """Whether English has "3rd"."""

    def alone(self) -> ParallelText:
        """Return the date as in the head of a letter: "Monday, 3 March 2025"."""
        if self.weekday is None:
            return self._without_weekday()
        row = "{weekday}, {date} | {weekday} {date} | {weekday}, {date} | {weekday}, {date}"
        return render(row, weekday=WEEKDAYS[self.weekday], date=self._without_weekday())

    def on(self) -> ParallelText:
        """Return "on Monday, 3 March"."""
        date = self._without_weekday()
        if self.weekday is None:
            return render("on {date} | le {date} | am {date} | el {date}", date=date)
        # "Dem": in German the date is an apposition, in the dative of "am Montag".
        row = "on {weekday}, {date} | le {weekday} {date} | am {weekday}, dem {date} | el {weekday} {date}"
        return render(row, weekday=WEEKDAYS[self.weekday], date=date)

    def in_words(self) -> ParallelText:
        """Return "the third of March", without weekday and year."""
        row = "the {day} of {month} | le {day} {month} | der {day} {month} | el {day} de {month}"
        return render(row, day=_ordinal(self.day), month=MONTHS[self.month - 1])

    def on_in_words(self) -> ParallelText:
        """Return "on the third of March", without weekday and year."""
        # German ordinals are adjectives: "der dritte", but "am dritten" in the dative.
        row = "on the {day} of {month} | le {day} {month} | am {day}n {month} | el {day} de {month}"
        return render(row, day=_ordinal(self.day), month=MONTHS[self.month - 1])

    def _without_weekday(self) -> ParallelText:
        en, fr, de, es = MONTHS[self.month - 1].values()
        year = "" if self.year is None else f" {self.year}"
        day = f"{self.day}{_suffix(self.day)}" if self.suffix else str(self.day)
        return parallel(
            f"{en} {day}{',' if year else ''}{year}" if self.month_first else f"{day} {en}{year}",
            f"{'1er' if self.day == 1 else self.day} {fr}{year}",
            f"{self.day}. {de}{year}",
            f"{self.day} de {es}{' de' if year else ''}{year}",
        )


def _suffix(day: int) -> str:
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def on_weekday(number: int) -> ParallelText:
    """Return "on Monday" for weekday 0."""
    return render("on {day} | {day} | am {day} | el {day}", day=WEEKDAYS[number])


def on_weekdays(number: int) -> ParallelText:
    """Return "on Mondays" for weekday 0."""
    day = WEEKDAYS[number]
    # "Lunes" to "viernes" are the same in the plural; German "montags" is an adverb in lower case.
    spanish_plural = f"{day['es']}s" if day["es"].endswith("o") else day["es"]
    names = {**day, "de": day["de"].lower(), "es": spanish_plural}
    return render("on {day}s | le {day} | {day}s | los {day}", day=names)


def every_weekday(number: int) -> ParallelText:
    """Return "every Monday" for weekday 0."""
    return render("every {day} | chaque {day} | jeden {day} | cada {day}", day=WEEKDAYS[number])


def from_to_weekday(first: int, last: int) -> ParallelText:
    """Return "from Monday to Friday" for weekdays 0 and 4."""
    row = "from {first} to {last} | du {first} au {last} | von {first} bis {last} | de {first} a {last}"
    return render(row, first=WEEKDAYS[first], last=WEEKDAYS[last])


def in_month(month: int, year: int) -> ParallelText:
    """Return "in March 2025"."""
    row = "in {month} {year} | en {month} {year} | im {month} {year} | en {month} de {year}"
    return render(row, month=MONTHS[month - 1], year=str(year))


def in_year(year: int, *, in_words: bool = False) -> ParallelText:
    """Return "in 1984" or "in nineteen eighty-four"; in words only 1100 to 2099."""
    words = parallel(_english_year(year), french(year), _german_year(year), spanish(year))
    return render("in {year} | en {year} | im Jahr {year} | en {year}", year=words if in_words else str(year))


def _english_year(year: int) -> str:
    # The first years of the century are read as numbers: "two thousand and five", but "twenty ten".
    if 2000 <= year < 2010:
        return english(year)
    century, rest = divmod(year, 100)
    if rest == 0:
        return f"{english(century)} hundred"
    return f"{english(century)} {'oh ' if rest < 10 else ''}{english(rest)}"


def _german_year(year: int) -> str:
    # Years before 2000 are counted in hundreds: "neunzehnhundertvierundachtzig".
    century, rest = divmod(year, 100)
    if year >= 2000:
        return german(year)
    return f"{german(century)}hundert{german(rest) if rest else ''}"


def _ordinal(day: int) -> ParallelText:
    """Return the day of a month in words; French and Spanish have an ordinal for the first one only."""
    first = day == 1
    return parallel(
        _english_ordinal(day), "premier" if first else french(day), _german_ordinal(day),
        "primero" if first else spanish(day),
    )  # fmt: skip


def _english_ordinal(number: int) -> str:
    if number in _ENGLISH_ORDINALS:
        return _ENGLISH_ORDINALS[number]
    if number % 10 == 0:
        return "tenth" if number == 10 else f"{english(number)[:-1]}ieth"
    if number < 20:
        return f"{english(number)}th"
    return f"{english(number - number % 10)}-{_english_ordinal(number % 10)}"


def _german_ordinal(number: int) -> str:
    """Return "einundzwanzigste", as it stands after "der"."""
    return _GERMAN_ORDINALS.get(number) or f"{german(number)}{'te' if number < 20 else 'ste'}"
