"""Whole numbers in words, 0 to 999,999, in English, French, German and Spanish.

French is written as before the reform of 1990: hyphens below a hundred, none around "et".
"""

from typing import Literal

from onnx_models.starter.texts.data import Words

Gender = Literal["m", "f", "n"]

_EN_ONES = Words.parse(
    "zero, one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, "
    "sixteen, seventeen, eighteen, nineteen"
)
_EN_TENS = ("", "", *Words.parse("twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety"))
_FR_ONES = Words.parse(
    "zéro, un, deux, trois, quatre, cinq, six, sept, huit, neuf, dix, onze, douze, treize, quatorze, quinze, seize, "
    "dix-sept, dix-huit, dix-neuf"
)
_FR_TENS = ("", "", *Words.parse("vingt, trente, quarante, cinquante, soixante, soixante, quatre-vingt, quatre-vingt"))
_DE_ONES = Words.parse(
    "null, ein, zwei, drei, vier, fünf, sechs, sieben, acht, neun, zehn, elf, zwölf, dreizehn, vierzehn, fünfzehn, "
    "sechzehn, siebzehn, achtzehn, neunzehn"
)
_DE_TENS = ("", "", *Words.parse("zwanzig, dreißig, vierzig, fünfzig, sechzig, siebzig, achtzig, neunzig"))
_ES_ONES = Words.parse(
    "cero, uno, dos, tres, cuatro, cinco, seis, siete, ocho, nueve, diez, once, doce, trece, catorce, quince, "
    "dieciséis, diecisiete, dieciocho, diecinueve, veinte, veintiuno, veintidós, veintitrés, veinticuatro, "
    "veinticinco, veintiséis, veintisiete, veintiocho, veintinueve"
)
_ES_TENS = ("", "", "", *Words.parse("treinta, cuarenta, cincuenta, sesenta, setenta, ochenta, noventa"))
_ES_HUNDREDS = (
    "",
    *Words.parse(
        "ciento, doscientos, trescientos, cuatrocientos, quinientos, seiscientos, setecientos, ochocientos, novecientos"
    ),
)


def english(number: int, *, with_and: bool = True) -> str:
    """Return "three hundred and forty-two"; American English is without the "and"."""
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        head = f"{english(thousands, with_and=with_and)} thousand"
        separator = " and " if with_and and 0 < rest < 100 else " "
        return f"{head}{separator}{english(rest, with_and=with_and)}" if rest else head
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        separator = " and " if with_and else " "
        return f"{_EN_ONES[hundreds]} hundred{separator}{english(rest)}" if rest else f"{_EN_ONES[hundreds]} hundred"
    if number < 20:
        return _EN_ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_EN_TENS[tens]}-{_EN_ONES[ones]}" if ones else _EN_TENS[tens]


def french(number: int, gender: Gender = "m") -> str:
    """Return "quatre-vingts", "quatre-vingt-un", "soixante et onze"; "vingt et une" before a feminine noun."""
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        # "Mille" and "cent" stand without "un"; "mille" never has a plural, "cents" has it only at the end.
        head = "mille" if thousands == 1 else f"{_french_multiplier(thousands)} mille"
        return f"{head} {french(rest, gender)}" if rest else head
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        head = "cent" if hundreds == 1 else f"{_FR_ONES[hundreds]} cent"
        if rest:
            return f"{head} {french(rest, gender)}"
        return head if hundreds == 1 else f"{head}s"
    return _french_below_hundred(number, gender)


def _french_below_hundred(number: int, gender: Gender) -> str:
    one = "une" if gender == "f" else "un"
    if number < 20:
        return one if number == 1 else _FR_ONES[number]
    tens, ones = divmod(number, 10)
    # 70 and 90 are counted on from 60 and 80: soixante-dix, quatre-vingt-dix.
    if tens in (7, 9):
        ones += 10
    word = _FR_TENS[tens]
    if ones == 0:
        return f"{word}s" if number == 80 else word
    # "Et" stands in 21 to 61 and in 71, but not in 81 and 91.
    if ones == 1 and number != 81:
        return f"{word} et {one}"
    if number == 71:
        return f"{word} et onze"
    return f"{word}-{one if ones == 1 else _FR_ONES[ones]}"


def _french_multiplier(thousands: int) -> str:
    """Return a number as it stands before "mille", where "cent" and "vingt" have no plural."""
    words = french(thousands)
    return words[:-1] if words.endswith(("cents", "vingts")) else words


def german(number: int) -> str:
    """Return "einundzwanzig"; a one at the end is "eins", as in counting: "einhunderteins"."""
    stem = _german_stem(number)
    return f"{stem}s" if number % 100 == 1 else stem


def _german_stem(number: int) -> str:
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        return f"{_german_stem(thousands)}tausend{_german_stem(rest) if rest else ''}"
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        return f"{_DE_ONES[hundreds]}hundert{_german_stem(rest) if rest else ''}"
    if number < 20:
        return _DE_ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_DE_ONES[ones]}und{_DE_TENS[tens]}" if ones else _DE_TENS[tens]


def spanish(number: int, gender: Gender = "m", *, before_noun: bool = False) -> str:
    """Return "veintiuno"; before a noun "veintiún" or "veintiuna", and "doscientas" before a feminine one."""
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        # "Mil" stands without "un".
        head = "mil" if thousands == 1 else f"{spanish(thousands, before_noun=True)} mil"
        return f"{head} {spanish(rest, gender, before_noun=before_noun)}" if rest else head
    # Alone and before nouns "cien"; "ciento" before a smaller number.
    if number == 100:
        return "cien"
    if number > 100:
        hundreds, rest = divmod(number, 100)
        head = _ES_HUNDREDS[hundreds]
        # "Ciento" has no feminine.
        if gender == "f" and hundreds > 1:
            head = f"{head[:-2]}as"
        return f"{head} {spanish(rest, gender, before_noun=before_noun)}" if rest else head
    words = _spanish_below_hundred(number)
    return _before_noun(words, gender) if before_noun and words.endswith("uno") else words


def _spanish_below_hundred(number: int) -> str:
    if number < 30:
        return _ES_ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_ES_TENS[tens]} y {_ES_ONES[ones]}" if ones else _ES_TENS[tens]


def _before_noun(words: str, gender: Gender) -> str:
    """Return a number that ends with "uno" as it stands before a noun."""
    if gender == "f":
        return f"{words[:-1]}a"
    return "veintiún" if words == "veintiuno" else words[:-1]
