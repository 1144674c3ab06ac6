"""Times of day: as they are spoken, with the part of the day, and in digits.

German counts towards the next half hour ("halb acht" is 7:30, "fünf vor halb acht" 7:25), Spanish has "la una" but
"las dos", French and Spanish subtract minutes from the next hour.
"""

from onnx_models.starter.translate.numbers import english, french, german, spanish
from onnx_models.starter.translate.parallel import ParallelText, parallel, render

NOON = parallel("noon", "midi", "Mittag", "mediodía")
MIDNIGHT = parallel("midnight", "minuit", "Mitternacht", "medianoche")
# Not made by `at`: German says "mittags", and Spanish "al mediodía", with an article.
AT_NOON = parallel("at noon", "à midi", "mittags", "al mediodía")
AT_MIDNIGHT = parallel("at midnight", "à minuit", "um Mitternacht", "a medianoche")


def spoken(hour: int, minute: int) -> ParallelText:
    """Return "half past seven"; hours 1 to 12."""
    next_hour = hour % 12 + 1
    return parallel(*(rule(hour, next_hour, minute) for rule in (_english, _french, _german, _spanish)))


def spoken_in_part_of_day(hour: int, minute: int) -> ParallelText:
    """Return "half past seven in the morning"; hours 0 to 23.

    Excluded are twelve, and minutes that are counted towards twelve: "midi" and "midnight" have no part of the day.
    """
    time = spoken(hour % 12 or 12, minute)
    if hour < 12:
        return render("{time} in the morning | {time} du matin | {time} morgens | {time} de la mañana", time=time)
    if hour < 18:
        row = "{time} in the afternoon | {time} de l'après-midi | {time} nachmittags | {time} de la tarde"
        return render(row, time=time)
    row = "{time} in the evening | {time} du soir | {time} abends | {time} de la "
    return render(row + ("tarde" if hour < 20 else "noche"), time=time)


def in_digits(hour: int, minute: int, *, half_days: str | None = None) -> ParallelText:
    """Return "19:45"; or "7:45 pm" if ``half_days`` names the halves of the day, for example as "am,pm"."""
    time = f"{hour}:{minute:02}"
    english_time = f"{hour % 12 or 12}:{minute:02} {half_days.split(',')[hour >= 12]}" if half_days else time
    return parallel(english_time, f"{hour} h {minute:02}", f"{time} Uhr", f"{_spanish_article(hour)} {time}")


def whole_hour_in_digits(hour: int, *, half_days: str | None = None) -> ParallelText:
    """Return "7 o'clock", hours 1 to 12; or "7 pm" if ``half_days`` is given, hours 0 to 23."""
    english_time = f"{hour % 12 or 12} {half_days.split(',')[hour >= 12]}" if half_days else f"{hour} o'clock"
    return parallel(english_time, f"{hour} h", f"{hour} Uhr", f"{_spanish_article(hour)} {hour}")


def at(time: ParallelText) -> ParallelText:
    """Return "at half past seven" for "half past seven"."""
    return render("at {time} | à {time} | um {time} | a {time}", time=time)


def it_is(time: ParallelText) -> ParallelText:
    """Return the sentence "It is half past seven."."""
    # One o'clock, noon and midnight are singular in Spanish.
    spanish_verb = "Son" if time["es"].startswith("las ") else "Es"
    return render(f"It is {{time}}. | Il est {{time}}. | Es ist {{time}}. | {spanish_verb} {{time}}.", time=time)


def _english(hour: int, next_hour: int, minute: int) -> str:
    if minute == 0:
        return f"{english(hour)} o'clock"
    if minute == 30:
        return f"half past {english(hour)}"
    if minute < 30:
        return f"{_english_minutes(minute)} past {english(hour)}"
    return f"{_english_minutes(60 - minute)} to {english(next_hour)}"


def _english_minutes(number: int) -> str:
    if number == 15:
        return "a quarter"
    if number % 5 == 0:
        return english(number)
    return f"{english(number)} minute{'s' if number > 1 else ''}"


def _french(hour: int, next_hour: int, minute: int) -> str:
    if minute == 0:
        return _french_hour(hour)
    if minute == 30:
        # "Midi" is masculine, "heure" is feminine.
        return f"{_french_hour(hour)} et {'demi' if hour == 12 else 'demie'}"
    # Minutes are feminine even where the word is omitted: "vingt et une".
    if minute < 30:
        return f"{_french_hour(hour)} {'et quart' if minute == 15 else french(minute, 'f')}"
    return f"{_french_hour(next_hour)} moins {'le quart' if minute == 45 else french(60 - minute, 'f')}"


def _french_hour(hour: int) -> str:
    if hour == 12:
        return "midi"
    return "une heure" if hour == 1 else f"{french(hour)} heures"


def _german(hour: int, next_hour: int, minute: int) -> str:
    if minute == 0:
        return f"{'ein' if hour == 1 else german(hour)} Uhr"
    if minute == 30:
        return f"halb {german(next_hour)}"
    # Around the half hour German counts from it, not from a whole one.
    if minute in (25, 35):
        return f"fünf {'vor' if minute == 25 else 'nach'} halb {german(next_hour)}"
    if minute < 30:
        return f"{_german_minutes(minute)} nach {german(hour)}"
    return f"{_german_minutes(60 - minute)} vor {german(next_hour)}"


def _german_minutes(number: int) -> str:
    if number == 15:
        return "Viertel"
    if number % 5 == 0:
        return german(number)
    return "eine Minute" if number == 1 else f"{german(number)} Minuten"


def _spanish(hour: int, next_hour: int, minute: int) -> str:
    if minute == 0:
        return _spanish_hour(hour)
    if minute <= 30:
        return f"{_spanish_hour(hour)} y {_spanish_minutes(minute)}"
    return f"{_spanish_hour(next_hour)} menos {_spanish_minutes(60 - minute)}"


def _spanish_hour(hour: int) -> str:
    # Feminine, because "hora" is omitted: "la una".
    return f"{_spanish_article(hour)} {spanish(hour, 'f', before_noun=True)}"


def _spanish_article(hour: int) -> str:
    return "la" if hour == 1 else "las"


def _spanish_minutes(number: int) -> str:
    return {1: "un minuto", 15: "cuarto", 30: "media"}.get(number) or spanish(number)
