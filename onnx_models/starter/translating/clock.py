"""Times of the clock: as they are spoken, with the part of the day, and in digits.

German counts to the half hour that comes ("halb acht", and five minutes before it "fünf vor halb acht"), Spanish says
"la una" and "las dos", French and Spanish take minutes from the hour that comes.
"""

from onnx_models.starter.translating import Said
from onnx_models.starter.translating.numbers import english, french, german, spanish

NOON: Said = {"en": "noon", "fr": "midi", "de": "Mittag", "es": "mediodía"}
MIDNIGHT: Said = {"en": "midnight", "fr": "minuit", "de": "Mitternacht", "es": "medianoche"}
AT_NOON: Said = {"en": "at noon", "fr": "à midi", "de": "mittags", "es": "al mediodía"}
AT_MIDNIGHT: Said = {"en": "at midnight", "fr": "à minuit", "de": "um Mitternacht", "es": "a medianoche"}


def spoken(hour: int, minute: int) -> Said:
    """Return "half past seven"; hours 1 to 12."""
    following = hour % 12 + 1
    return {
        "en": _english(hour, following, minute),
        "fr": _french(hour, following, minute),
        "de": _german(hour, following, minute),
        "es": _spanish(hour, following, minute),
    }


def spoken_in_part_of_day(hour: int, minute: int) -> Said:
    """Return "half past seven in the morning"; hours 0 to 23, neither twelve nor an hour that ends with it."""
    said = spoken(hour % 12 or 12, minute)
    if hour < 12:
        parts = ("in the morning", "du matin", "morgens", "de la mañana")
    elif hour < 18:
        parts = ("in the afternoon", "de l'après-midi", "nachmittags", "de la tarde")
    else:
        parts = ("in the evening", "du soir", "abends", "de la tarde" if hour < 20 else "de la noche")
    return {code: f"{text} {part}" for (code, text), part in zip(said.items(), parts, strict=True)}


def in_digits(hour: int, minute: int, *, half_days: str | None = None) -> Said:
    """Return "19:45"; or, with ``half_days`` for example "am,pm", "7:45 pm"."""
    clock = f"{hour}:{minute:02}"
    half_day = f"{hour % 12 or 12}:{minute:02} {half_days.split(',')[hour >= 12]}" if half_days else None
    return {
        "en": half_day or clock,
        "fr": f"{hour} h {minute:02}",
        "de": f"{clock} Uhr",
        "es": f"{'la' if hour == 1 else 'las'} {clock}",
    }


def whole_hour_in_digits(hour: int, *, half_days: str | None = None) -> Said:
    """Return "7 o'clock", hours 1 to 12; or, with ``half_days`` for example "am,pm", "7 pm" of hours 0 to 23."""
    english_clock = f"{hour % 12 or 12} {half_days.split(',')[hour >= 12]}" if half_days else f"{hour} o'clock"
    return {
        "en": english_clock,
        "fr": f"{hour} h",
        "de": f"{hour} Uhr",
        "es": f"{'la' if hour == 1 else 'las'} {hour}",
    }


def at(time: Said) -> Said:
    """Return "at half past seven" for "half past seven"."""
    return {"en": f"at {time['en']}", "fr": f"à {time['fr']}", "de": f"um {time['de']}", "es": f"a {time['es']}"}


def it_is(time: Said) -> Said:
    """Return the sentence "It is half past seven."."""
    verb = "Es" if time["es"].startswith("la ") else "Son"
    return {
        "en": f"It is {time['en']}.",
        "fr": f"Il est {time['fr']}.",
        "de": f"Es ist {time['de']}.",
        "es": f"{verb} {time['es']}.",
    }


def _english(hour: int, following: int, minute: int) -> str:
    if minute == 0:
        return f"{english(hour)} o'clock"
    if minute == 30:
        return f"half past {english(hour)}"
    if minute < 30:
        return f"{_english_minutes(minute)} past {english(hour)}"
    return f"{_english_minutes(60 - minute)} to {english(following)}"


def _english_minutes(number: int) -> str:
    if number == 15:
        return "a quarter"
    if number % 5 == 0:
        return english(number)
    return f"{english(number)} minute{'s' if number > 1 else ''}"


def _french(hour: int, following: int, minute: int) -> str:
    if minute == 0:
        return _french_hour(hour)
    if minute == 15:
        return f"{_french_hour(hour)} et quart"
    if minute == 30:
        return f"{_french_hour(hour)} et {'demi' if hour == 12 else 'demie'}"
    if minute < 30:
        return f"{_french_hour(hour)} {french(minute, 'f')}"
    if minute == 45:
        return f"{_french_hour(following)} moins le quart"
    return f"{_french_hour(following)} moins {french(60 - minute, 'f')}"


def _french_hour(hour: int) -> str:
    if hour == 12:
        return "midi"
    return "une heure" if hour == 1 else f"{french(hour)} heures"


def _german(hour: int, following: int, minute: int) -> str:
    if minute == 0:
        return f"{'ein' if hour == 1 else german(hour)} Uhr"
    if minute == 30:
        return f"halb {german(following)}"
    if minute in (25, 35):
        return f"fünf {'vor' if minute == 25 else 'nach'} halb {german(following)}"
    if minute < 30:
        return f"{_german_minutes(minute)} nach {german(hour)}"
    return f"{_german_minutes(60 - minute)} vor {german(following)}"


def _german_minutes(number: int) -> str:
    if number == 15:
        return "Viertel"
    if number % 5 == 0:
        return german(number)
    return "eine Minute" if number == 1 else f"{german(number)} Minuten"


def _spanish(hour: int, following: int, minute: int) -> str:
    if minute == 0:
        return _spanish_hour(hour)
    if minute <= 30:
        return f"{_spanish_hour(hour)} y {_spanish_minutes(minute)}"
    return f"{_spanish_hour(following)} menos {_spanish_minutes(60 - minute)}"


def _spanish_hour(hour: int) -> str:
    return "la una" if hour == 1 else f"las {spanish(hour)}"


def _spanish_minutes(number: int) -> str:
    return {1: "un minuto", 15: "cuarto", 30: "media"}.get(number) or spanish(number)
