"""Draw dates, years, times of the clock, and when something happens."""

import random

from onnx_models.starter.translating import LANGUAGES, Said, clock, dates
from onnx_models.starter.translating.drawn import Drawn
from onnx_models.starter.translating.sentences import THINGS
from onnx_models.starter.writing.gaps import is_held_out

_SPACE = dict.fromkeys(LANGUAGES, " ")


def _draw_date(rng: random.Random, *, year: bool | None = None, weekday: bool | None = None) -> dates.Date:
    month = rng.randint(1, 12)
    return dates.Date(
        day=rng.choice((1, rng.randint(1, dates.NUM_DAYS[month - 1]), rng.randint(1, dates.NUM_DAYS[month - 1]))),
        month=month,
        year=rng.randint(1900, 2099) if year or (year is None and rng.random() < 0.4) else None,
        weekday=rng.randrange(7) if weekday or (weekday is None and rng.random() < 0.5) else None,
        month_first=rng.random() < 0.35,
        suffix=rng.random() < 0.2,
    )


def _date_flags(date: dates.Date) -> tuple[bool, ...]:
    return (is_held_out("date", str(date.day), str(date.month), str(date.year or "")),)


def date(rng: random.Random) -> Drawn:
    """Return a date as it stands at the head of a letter, or the day in words."""
    if rng.random() < 0.25:
        drawn = _draw_date(rng, year=False)
        return Drawn(drawn.in_words(), _date_flags(drawn))
    drawn = _draw_date(rng)
    return Drawn(drawn.bare(), _date_flags(drawn))


def on_date(rng: random.Random, *, year: bool | None = None, weekday: bool | None = None) -> Drawn:
    """Return "on Monday, 3 March", or the day in words."""
    if rng.random() < 0.2 and not year:
        drawn = _draw_date(rng, year=False)
        return Drawn(drawn.on_in_words(), _date_flags(drawn))
    drawn = _draw_date(rng, year=year, weekday=weekday)
    return Drawn(drawn.on(), _date_flags(drawn))


def today(rng: random.Random) -> Drawn:
    """Return the date of today, which French and German put behind their article."""
    drawn = _draw_date(rng, weekday=True)
    flags, said = _date_flags(drawn), drawn.bare()
    return Drawn({**said, "fr": f"le {said['fr']}", "de": said["de"].replace(", ", ", der ", 1)}, flags)


def year(rng: random.Random) -> Drawn:
    """Return "in 1984", in digits or words, or with the month."""
    drawn = rng.randint(1900, 2099)
    flags = (is_held_out("year", str(drawn)),)
    if rng.random() < 0.3:
        return Drawn(dates.in_month(rng.randint(1, 12), drawn), flags)
    return Drawn(dates.in_year(drawn, in_words=rng.random() < 0.4), flags)


def born(rng: random.Random) -> Drawn:
    """Return a day with its year, or a year."""
    return on_date(rng, year=True, weekday=False) if rng.random() < 0.5 else year(rng)


def time(rng: random.Random) -> Drawn:
    """Return a time of the clock, spoken or in digits; five-minute steps more often. Whole hours are not held out."""
    if rng.random() < 0.03:
        return Drawn(rng.choice((clock.NOON, clock.MIDNIGHT)))
    hour, minute = rng.randrange(24), rng.choice((rng.randrange(60), 5 * rng.randrange(12), 15 * rng.randrange(4)))
    flags = (is_held_out("time", str(hour % 12), str(minute)),) if minute else ()
    way = _in_digits if rng.random() < 0.4 else _spoken
    return Drawn(way(rng, hour, minute), flags)


def _in_digits(rng: random.Random, hour: int, minute: int) -> Said:
    half_days = rng.choice((None, None, "am,pm", "a.m.,p.m."))
    if minute or rng.random() < 0.3:
        return clock.in_digits(hour, minute, half_days=half_days)
    return clock.whole_hour_in_digits(hour if half_days else hour % 12 or 12, half_days=half_days)


def _spoken(rng: random.Random, hour: int, minute: int) -> Said:
    if rng.random() < 0.3 and hour % 12 and (hour % 12 != 11 or minute <= 30):
        said = clock.spoken_in_part_of_day(hour, minute)
    else:
        said = clock.spoken(hour % 12 or 12, minute)
    return {**said, "en": said["en"].replace("a quarter", "quarter")} if rng.random() < 0.3 else said


def at_time(rng: random.Random) -> Drawn:
    """Return "at half past seven"."""
    drawn = time(rng)
    special = {"noon": clock.AT_NOON, "midnight": clock.AT_MIDNIGHT}.get(drawn.said["en"])
    return Drawn(special or clock.at(drawn.said), drawn.held_out)


def it_is(rng: random.Random) -> Drawn:
    """Return the sentence that says what time it is."""
    drawn = time(rng)
    if drawn.said["en"] in ("noon", "midnight"):
        return Drawn({**clock.it_is(drawn.said), "es": f"Es {drawn.said['es']}."})
    return Drawn(clock.it_is(drawn.said), drawn.held_out)


def day(rng: random.Random) -> Drawn:
    """Return a day without a number: "on Monday", "tomorrow"."""
    way = rng.choice((dates.on_weekday, dates.on_weekday, dates.every_weekday, dates.on_weekdays, None))
    return Drawn(way(rng.randrange(7)) if way else rng.choice(THINGS["day"]))


def days(rng: random.Random) -> Drawn:
    """Return on which days something is always so."""
    first, last = rng.sample(range(7), 2)
    return Drawn(rng.choice((dates.from_to_weekday(first, last), dates.on_weekdays(first), dates.every_weekday(first))))


def when(rng: random.Random) -> Drawn:
    """Return when something happens: a time, a day, or both, which English puts in either order."""
    way = rng.choice(("time", "day", "day time", "date", "date time"))
    if way == "time":
        return at_time(rng)
    one = day(rng) if way.startswith("day") else on_date(rng)
    if " " not in way:
        return one
    return _both(rng, one, at_time(rng))


def _both(rng: random.Random, one: Drawn, hour: Drawn) -> Drawn:
    """Return day and time; German closes what it has put between commas."""
    both = one.then(hour, {**_SPACE, "de": ", " if ", dem " in one.said["de"] else " "})
    written = f"{one.said['en']} {hour.said['en']}"
    if ", " in one.said["en"] and rng.random() < 0.4:
        written = f"{one.said['en']}, {hour.said['en']}"
    if rng.random() < 0.5:
        written = f"{hour.said['en']} {one.said['en']}"
    return Drawn({**both.said, "en": written}, both.held_out)
