"""Draw dates, years, times of day, and adverbials of time."""

import random

from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.translate import clock, dates
from onnx_models.starter.translate.parallel import ParallelText
from onnx_models.starter.translate.samples import Sample, combine
from onnx_models.starter.translate.tables import SLOTS


def _draw_date(rng: random.Random, *, year: bool | None = None, weekday: bool | None = None) -> dates.Date:
    """Return a date; None: with or without year and weekday, as it comes."""
    month = rng.randint(1, 12)
    return dates.Date(
        # Both random days are drawn even if the first one is chosen: all later draws depend on it.
        # The first of the month is an exception in French and Spanish, so it is more frequent.
        day=rng.choice((1, rng.randint(1, dates.NUM_DAYS[month - 1]), rng.randint(1, dates.NUM_DAYS[month - 1]))),
        month=month,
        year=rng.randint(1900, 2099) if year or (year is None and rng.random() < 0.4) else None,
        weekday=rng.randrange(7) if weekday or (weekday is None and rng.random() < 0.5) else None,
        month_first=rng.random() < 0.35,
        suffix=rng.random() < 0.2,
    )


def _date_flags(date: dates.Date) -> tuple[bool, ...]:
    return (is_held_out("date", str(date.day), str(date.month), str(date.year or "")),)


def date(rng: random.Random) -> Sample:
    """Return a date as in the head of a letter, or the day in words."""
    if rng.random() < 0.25:
        drawn = _draw_date(rng, year=False)
        return Sample(drawn.in_words(), _date_flags(drawn))
    drawn = _draw_date(rng)
    return Sample(drawn.alone(), _date_flags(drawn))


def on_date(rng: random.Random, *, year: bool | None = None, weekday: bool | None = None) -> Sample:
    """Return "on Monday, 3 March", or the day in words."""
    if rng.random() < 0.2 and not year:
        drawn = _draw_date(rng, year=False)
        return Sample(drawn.on_in_words(), _date_flags(drawn))
    drawn = _draw_date(rng, year=year, weekday=weekday)
    return Sample(drawn.on(), _date_flags(drawn))


def today(rng: random.Random) -> Sample:
    """Return the date in "Today is …", where French and German have an article."""
    drawn = _draw_date(rng, weekday=True)
    text = drawn.alone()
    articles = {"fr": f"le {text['fr']}", "de": text["de"].replace(", ", ", der ", 1)}
    return Sample({**text, **articles}, _date_flags(drawn))


def year(rng: random.Random) -> Sample:
    """Return "in 1984", in digits or words, or with a month."""
    drawn = rng.randint(1900, 2099)
    flags = (is_held_out("year", str(drawn)),)
    if rng.random() < 0.3:
        return Sample(dates.in_month(rng.randint(1, 12), drawn), flags)
    return Sample(dates.in_year(drawn, in_words=rng.random() < 0.4), flags)


def born(rng: random.Random) -> Sample:
    """Return a date with its year, or a year."""
    return on_date(rng, year=True, weekday=False) if rng.random() < 0.5 else year(rng)


def time(rng: random.Random) -> Sample:
    """Return a time of day, spoken or in digits; multiples of five minutes are more frequent.

    Whole hours are not held out.
    """
    if rng.random() < 0.03:
        return Sample(rng.choice((clock.NOON, clock.MIDNIGHT)))
    # All three minutes are drawn, whichever is chosen: all later draws depend on it.
    hour, minute = rng.randrange(24), rng.choice((rng.randrange(60), 5 * rng.randrange(12), 15 * rng.randrange(4)))
    # A held-out minute is held out in both halves of the day, since "ten past five" does not name the half.
    flags = (is_held_out("time", str(hour % 12), str(minute)),) if minute else ()
    wording = _in_digits if rng.random() < 0.4 else _spoken
    return Sample(wording(rng, hour, minute), flags)


def _in_digits(rng: random.Random, hour: int, minute: int) -> ParallelText:
    half_days = rng.choice((None, None, "am,pm", "a.m.,p.m."))
    if minute or rng.random() < 0.3:
        return clock.in_digits(hour, minute, half_days=half_days)
    return clock.whole_hour_in_digits(hour if half_days else hour % 12 or 12, half_days=half_days)


def _spoken(rng: random.Random, hour: int, minute: int) -> ParallelText:
    # French "midi" and "minuit" already name the part of the day, and after 11:30 the text counts towards them.
    if rng.random() < 0.3 and hour % 12 and (hour % 12 != 11 or minute <= 30):
        text = clock.spoken_in_part_of_day(hour, minute)
    else:
        text = clock.spoken(hour % 12 or 12, minute)
    return {**text, "en": text["en"].replace("a quarter", "quarter")} if rng.random() < 0.3 else text


def at_time(rng: random.Random) -> Sample:
    """Return "at half past seven"."""
    drawn = time(rng)
    special = {"noon": clock.AT_NOON, "midnight": clock.AT_MIDNIGHT}.get(drawn.text["en"])
    return Sample(special or clock.at(drawn.text), drawn.held_out)


def it_is(rng: random.Random) -> Sample:
    """Return the sentence that states the time."""
    drawn = time(rng)
    return Sample(clock.it_is(drawn.text), drawn.held_out)


def day(rng: random.Random) -> Sample:
    """Return a day without a number: "on Monday", "tomorrow"."""
    wording = rng.choice((dates.on_weekday, dates.on_weekday, dates.every_weekday, dates.on_weekdays, None))
    return Sample(wording(rng.randrange(7)) if wording else rng.choice(SLOTS["day"]))


def days(rng: random.Random) -> Sample:
    """Return recurring days: "from Monday to Friday", "on Mondays"."""
    first, last = rng.sample(range(7), 2)
    choices = (dates.from_to_weekday(first, last), dates.on_weekdays(first), dates.every_weekday(first))
    return Sample(rng.choice(choices))


def when(rng: random.Random) -> Sample:
    """Return a time, a day, or both, which English has in either order."""
    parts = rng.choice(("time", "day", "day time", "date", "date time"))
    if parts == "time":
        return at_time(rng)
    one = day(rng) if parts.startswith("day") else on_date(rng)
    return _day_and_time(rng, one, at_time(rng)) if parts.endswith("time") else one


def _day_and_time(rng: random.Random, one: Sample, clock_time: Sample) -> Sample:
    # In German the date after a weekday stands between commas.
    german_comma = "," if ", dem " in one.text["de"] else ""
    english_row = "{day} {time}"
    if ", " in one.text["en"] and rng.random() < 0.4:
        english_row = "{day}, {time}"
    if rng.random() < 0.5:
        english_row = "{time} {day}"
    row = f"{english_row} | {{day}} {{time}} | {{day}}{german_comma} {{time}} | {{day}} {{time}}"
    return combine(row, day=one, time=clock_time)
