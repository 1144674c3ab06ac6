"""The corpus of the starter translator, compared with translations written by hand: mostly what learners get wrong."""

import random
import re

import pytest

from onnx_models.starter.texts.held_out import is_held_out
from onnx_models.starter.texts.templates import capitalized, slots_of
from onnx_models.starter.translate import clock, counts, dates
from onnx_models.starter.translate.evaluation import held_out_phrases
from onnx_models.starter.translate.numbers import english, french, german, spanish
from onnx_models.starter.translate.parallel import TARGETS
from onnx_models.starter.translate.phrases import HELD_OUT_KINDS, training_phrase
from onnx_models.starter.translate.tables import FIXED, SENTENCES, SLOTS

NOUNS = {noun.name: noun for noun in (*counts.THINGS, *counts.CURRENCIES, *counts.UNITS)}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"), (13, "thirteen"), (40, "forty"), (100, "one hundred"), (101, "one hundred and one"),
        (342, "three hundred and forty-two"), (1000, "one thousand"), (1001, "one thousand and one"),
        (1100, "one thousand one hundred"), (2345, "two thousand three hundred and forty-five"),
        (90_012, "ninety thousand and twelve"), (999_999, "nine hundred and ninety-nine thousand nine hundred and "
         "ninety-nine"),
    ],
)  # fmt: skip
def test_english_numbers(number: int, words: str) -> None:
    assert english(number) == words
    if "and" in words and number < 1000:
        assert english(number, with_and=False) == words.replace(" and", "")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zéro"), (1, "un"), (11, "onze"), (17, "dix-sept"), (21, "vingt et un"), (22, "vingt-deux"),
        (31, "trente et un"), (61, "soixante et un"), (69, "soixante-neuf"), (70, "soixante-dix"),
        (71, "soixante et onze"), (72, "soixante-douze"), (77, "soixante-dix-sept"), (79, "soixante-dix-neuf"),
        (80, "quatre-vingts"), (81, "quatre-vingt-un"), (89, "quatre-vingt-neuf"), (90, "quatre-vingt-dix"),
        (91, "quatre-vingt-onze"), (97, "quatre-vingt-dix-sept"), (99, "quatre-vingt-dix-neuf"), (100, "cent"),
        (101, "cent un"), (121, "cent vingt et un"), (180, "cent quatre-vingts"), (181, "cent quatre-vingt-un"),
        (200, "deux cents"), (201, "deux cent un"), (300, "trois cents"), (371, "trois cent soixante et onze"),
        (380, "trois cent quatre-vingts"), (1000, "mille"), (1001, "mille un"), (1100, "mille cent"),
        (1200, "mille deux cents"), (2000, "deux mille"), (2080, "deux mille quatre-vingts"),
        (3300, "trois mille trois cents"), (80_000, "quatre-vingt mille"), (200_000, "deux cent mille"),
        (21_021, "vingt et un mille vingt et un"), (200_200, "deux cent mille deux cents"),
    ],
)  # fmt: skip
def test_french_numbers(number: int, words: str) -> None:
    assert french(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "null"), (1, "eins"), (6, "sechs"), (7, "sieben"), (12, "zwölf"), (16, "sechzehn"), (17, "siebzehn"),
        (20, "zwanzig"), (21, "einundzwanzig"), (26, "sechsundzwanzig"), (30, "dreißig"), (31, "einunddreißig"),
        (37, "siebenunddreißig"), (60, "sechzig"), (66, "sechsundsechzig"), (70, "siebzig"),
        (77, "siebenundsiebzig"), (99, "neunundneunzig"), (100, "einhundert"), (101, "einhunderteins"),
        (111, "einhundertelf"), (121, "einhunderteinundzwanzig"), (201, "zweihunderteins"), (600, "sechshundert"),
        (716, "siebenhundertsechzehn"), (1000, "eintausend"), (1001, "eintausendeins"),
        (1100, "eintausendeinhundert"), (2021, "zweitausendeinundzwanzig"), (21_000, "einundzwanzigtausend"),
        (101_101, "einhunderteintausendeinhunderteins"),
    ],
)  # fmt: skip
def test_german_numbers(number: int, words: str) -> None:
    assert german(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "cero"), (1, "uno"), (15, "quince"), (16, "dieciséis"), (18, "dieciocho"), (20, "veinte"),
        (21, "veintiuno"), (22, "veintidós"), (23, "veintitrés"), (24, "veinticuatro"), (26, "veintiséis"),
        (30, "treinta"), (31, "treinta y uno"), (60, "sesenta"), (67, "sesenta y siete"), (70, "setenta"),
        (76, "setenta y seis"), (99, "noventa y nueve"), (100, "cien"), (101, "ciento uno"),
        (116, "ciento dieciséis"), (200, "doscientos"), (500, "quinientos"), (555, "quinientos cincuenta y cinco"),
        (700, "setecientos"), (900, "novecientos"), (1000, "mil"), (1001, "mil uno"), (1100, "mil cien"),
        (1101, "mil ciento uno"), (2000, "dos mil"), (9999, "nueve mil novecientos noventa y nueve"),
        (21_000, "veintiún mil"), (31_000, "treinta y un mil"), (100_000, "cien mil"), (101_000, "ciento un mil"),
    ],
)  # fmt: skip
def test_spanish_numbers(number: int, words: str) -> None:
    assert spanish(number) == words


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "house", ("une maison", "ein Haus", "una casa")),
        (1, "table", ("une table", "einen Tisch", "una mesa")),
        (1, "bottle", ("une bouteille", "eine Flasche", "una botella")),
        (2, "egg", ("deux œufs", "zwei Eier", "dos huevos")),
        (11, "key", ("onze clés", "elf Schlüssel", "once llaves")),
        (21, "house", ("vingt et une maisons", "einundzwanzig Häuser", "veintiuna casas")),
        (21, "book", ("vingt et un livres", "einundzwanzig Bücher", "veintiún libros")),
        (31, "book", ("trente et un livres", "einunddreißig Bücher", "treinta y un libros")),
        (41, "flower", ("quarante et une fleurs", "einundvierzig Blumen", "cuarenta y una flores")),
        (71, "car", ("soixante et onze voitures", "einundsiebzig Autos", "setenta y un coches")),
        (80, "page", ("quatre-vingts pages", "achtzig Seiten", "ochenta páginas")),
        (81, "page", ("quatre-vingt-une pages", "einundachtzig Seiten", "ochenta y una páginas")),
        (91, "person", ("quatre-vingt-onze personnes", "einundneunzig Personen", "noventa y una personas")),
        (100, "horse", ("cent chevaux", "einhundert Pferde", "cien caballos")),
        (101, "chair", ("cent une chaises", "einhunderteins Stühle", "ciento una sillas")),
        (101, "dog", ("cent un chiens", "einhunderteins Hunde", "ciento un perros")),
        (200, "letter", ("deux cents lettres", "zweihundert Briefe", "doscientas cartas")),
        (221, "letter", ("deux cent vingt et une lettres", "zweihunderteinundzwanzig Briefe", "doscientas veintiuna "
         "cartas")),
        (500, "word", ("cinq cents mots", "fünfhundert Wörter", "quinientas palabras")),
        (1001, "picture", ("mille une photos", "eintausendeins Bilder", "mil una fotos")),
        (2300, "city", ("deux mille trois cents villes", "zweitausenddreihundert Städte", "dos mil trescientas "
         "ciudades")),
        (21, "year", ("vingt et un ans", "einundzwanzig Jahre", "veintiún años")),
        (21, "euro", ("vingt et un euros", "einundzwanzig Euro", "veintiún euros")),
        (21, "pound", ("vingt et une livres", "einundzwanzig Pfund", "veintiuna libras")),
        (31, "minute", ("trente et une minutes", "einunddreißig Minuten", "treinta y un minutos")),
    ],
)  # fmt: skip
def test_numbers_agree_with_what_is_counted(number: int, noun: str, said: tuple[str, ...]) -> None:
    assert tuple(counts.counted(number, NOUNS[noun])[code] for code in TARGETS) == said


def test_what_stands_alone_is_in_the_nominative() -> None:
    assert counts.counted(1, NOUNS["table"], accusative=False)["de"] == "ein Tisch"
    assert counts.counted(1, NOUNS["key"])["de"] == "einen Schlüssel"


@pytest.mark.parametrize(
    ("said", "translations"),
    [
        (counts.counted_in_digits(1250, NOUNS["house"]), ("1 250 maisons", "1.250 Häuser", "1250 casas")),
        (counts.counted_in_digits(1, NOUNS["cat"]), ("1 chat", "1 Katze", "1 gato")),
        (counts.price_in_digits(12, 50, NOUNS["euro"]), ("12,50 euros", "12,50 Euro", "12,50 euros")),
        (counts.price_in_digits(1, 50, NOUNS["euro"]), ("1,50 euro", "1,50 Euro", "1,50 euros")),
        (counts.price_in_digits(1, 0, NOUNS["pound"]), ("1 livre", "1 Pfund", "1 libra")),
        (counts.price_with_sign(12, 5), ("12,05 €", "12,05 €", "12,05 €")),
        (counts.price_in_words(21, 1, NOUNS["euro"]), (
            "vingt et un euros et un centime", "einundzwanzig Euro und einen Cent", "veintiún euros con un céntimo")),
        (counts.price_in_words(80, 21, NOUNS["euro"]), (
            "quatre-vingts euros et vingt et un centimes", "achtzig Euro und einundzwanzig Cent",
            "ochenta euros con veintiún céntimos")),
        (counts.age(1), ("un an", "ein Jahr alt", "un año")),
        (counts.age(31), ("trente et un ans", "einunddreißig Jahre alt", "treinta y un años")),
        (counts.after_in(counts.counted(3, NOUNS["day"])), ("trois jours", "drei Tagen", "tres días")),
        (counts.after_in(counts.counted(1, NOUNS["hour"])), ("une heure", "einer Stunde", "una hora")),
        (counts.after_in(counts.counted(1, NOUNS["day"])), ("un jour", "einem Tag", "un día")),
        (counts.after_in(counts.counted(21, NOUNS["minute"])), (
            "vingt et une minutes", "einundzwanzig Minuten", "veintiún minutos")),
    ],
)  # fmt: skip
def test_figures_prices_ages_and_times_to_wait(said: dict[str, str], translations: tuple[str, ...]) -> None:
    assert tuple(said[code] for code in TARGETS) == translations


@pytest.mark.parametrize(
    ("hour", "minute", "said"),
    [
        (1, 0, ("one o'clock", "une heure", "ein Uhr", "la una")),
        (2, 0, ("two o'clock", "deux heures", "zwei Uhr", "las dos")),
        (12, 0, ("twelve o'clock", "midi", "zwölf Uhr", "las doce")),
        (7, 30, ("half past seven", "sept heures et demie", "halb acht", "las siete y media")),
        (12, 30, ("half past twelve", "midi et demi", "halb eins", "las doce y media")),
        (1, 30, ("half past one", "une heure et demie", "halb zwei", "la una y media")),
        (3, 15, ("a quarter past three", "trois heures et quart", "Viertel nach drei", "las tres y cuarto")),
        (12, 45, ("a quarter to one", "une heure moins le quart", "Viertel vor eins", "la una menos cuarto")),
        (11, 45, ("a quarter to twelve", "midi moins le quart", "Viertel vor zwölf", "las doce menos cuarto")),
        (1, 10, ("ten past one", "une heure dix", "zehn nach eins", "la una y diez")),
        (7, 25, ("twenty-five past seven", "sept heures vingt-cinq", "fünf vor halb acht", "las siete y veinticinco")),
        (7, 35, ("twenty-five to eight", "huit heures moins vingt-cinq", "fünf nach halb acht",
                 "las ocho menos veinticinco")),
        (7, 40, ("twenty to eight", "huit heures moins vingt", "zwanzig vor acht", "las ocho menos veinte")),
        (3, 21, ("twenty-one minutes past three", "trois heures vingt et une", "einundzwanzig Minuten nach drei",
                 "las tres y veintiuno")),
        (3, 39, ("twenty-one minutes to four", "quatre heures moins vingt et une", "einundzwanzig Minuten vor vier",
                 "las cuatro menos veintiuno")),
        (5, 1, ("one minute past five", "cinq heures une", "eine Minute nach fünf", "las cinco y un minuto")),
        (12, 59, ("one minute to one", "une heure moins une", "eine Minute vor eins", "la una menos un minuto")),
    ],
)  # fmt: skip
def test_times_as_they_are_spoken(hour: int, minute: int, said: tuple[str, ...]) -> None:
    assert tuple(clock.spoken(hour, minute).values()) == said


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        (clock.spoken_in_part_of_day(7, 30), (
            "half past seven in the morning", "sept heures et demie du matin", "halb acht morgens",
            "las siete y media de la mañana")),
        (clock.spoken_in_part_of_day(13, 0), (
            "one o'clock in the afternoon", "une heure de l'après-midi", "ein Uhr nachmittags", "la una de la tarde")),
        (clock.spoken_in_part_of_day(19, 50), (
            "ten to eight in the evening", "huit heures moins dix du soir", "zehn vor acht abends",
            "las ocho menos diez de la tarde")),
        (clock.spoken_in_part_of_day(20, 0), (
            "eight o'clock in the evening", "huit heures du soir", "acht Uhr abends", "las ocho de la noche")),
        (clock.in_digits(19, 45), ("19:45", "19 h 45", "19:45 Uhr", "las 19:45")),
        (clock.in_digits(1, 5), ("1:05", "1 h 05", "1:05 Uhr", "la 1:05")),
        (clock.in_digits(19, 45, half_days="am,pm"), ("7:45 pm", "19 h 45", "19:45 Uhr", "las 19:45")),
        (clock.in_digits(0, 15, half_days="a.m.,p.m."), ("12:15 a.m.", "0 h 15", "0:15 Uhr", "las 0:15")),
        (clock.in_digits(12, 15, half_days="am,pm"), ("12:15 pm", "12 h 15", "12:15 Uhr", "las 12:15")),
        (clock.whole_hour_in_digits(7), ("7 o'clock", "7 h", "7 Uhr", "las 7")),
        (clock.whole_hour_in_digits(13, half_days="am,pm"), ("1 pm", "13 h", "13 Uhr", "las 13")),
        (clock.at(clock.spoken(1, 0)), ("at one o'clock", "à une heure", "um ein Uhr", "a la una")),
        (clock.it_is(clock.spoken(1, 30)), (
            "It is half past one.", "Il est une heure et demie.", "Es ist halb zwei.", "Es la una y media.")),
        (clock.it_is(clock.spoken(2, 0)), (
            "It is two o'clock.", "Il est deux heures.", "Es ist zwei Uhr.", "Son las dos.")),
        (clock.AT_NOON, ("at noon", "à midi", "mittags", "al mediodía")),
    ],
)  # fmt: skip
def test_times_within_a_day_and_a_sentence(said: dict[str, str], texts: tuple[str, ...]) -> None:
    assert tuple(said.values()) == texts


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        (dates.Date(1, 3).alone(), ("1 March", "1er mars", "1. März", "1 de marzo")),
        (dates.Date(3, 3, 2025).alone(), ("3 March 2025", "3 mars 2025", "3. März 2025", "3 de marzo de 2025")),
        (dates.Date(3, 3, 2025, month_first=True).alone(), (
            "March 3, 2025", "3 mars 2025", "3. März 2025", "3 de marzo de 2025")),
        (dates.Date(22, 8, month_first=True, suffix=True).alone(), (
            "August 22nd", "22 août", "22. August", "22 de agosto")),
        (dates.Date(11, 12, suffix=True).alone(), ("11th December", "11 décembre", "11. Dezember", "11 de diciembre")),
        (dates.Date(3, 3, weekday=0).alone(), ("Monday, 3 March", "lundi 3 mars", "Montag, 3. März", "lunes, 3 de "
                                              "marzo")),
        (dates.Date(3, 3, weekday=0).on(), (
            "on Monday, 3 March", "le lundi 3 mars", "am Montag, dem 3. März", "el lunes 3 de marzo")),
        (dates.Date(1, 5).on(), ("on 1 May", "le 1er mai", "am 1. Mai", "el 1 de mayo")),
        (dates.Date(1, 1).in_words(), ("the first of January", "le premier janvier", "der erste Januar",
                                       "el primero de enero")),
        (dates.Date(3, 7).in_words(), ("the third of July", "le trois juillet", "der dritte Juli", "el tres de julio")),
        (dates.Date(21, 6).on_in_words(), (
            "on the twenty-first of June", "le vingt et un juin", "am einundzwanzigsten Juni",
            "el veintiuno de junio")),
        (dates.Date(7, 2).on_in_words(), (
            "on the seventh of February", "le sept février", "am siebten Februar", "el siete de febrero")),
        (dates.Date(30, 9).on_in_words(), (
            "on the thirtieth of September", "le trente septembre", "am dreißigsten September",
            "el treinta de septiembre")),
        (dates.Date(12, 4).in_words(), ("the twelfth of April", "le douze avril", "der zwölfte April",
                                        "el doce de abril")),
        (dates.on_weekday(2), ("on Wednesday", "mercredi", "am Mittwoch", "el miércoles")),
        (dates.on_weekdays(2), ("on Wednesdays", "le mercredi", "mittwochs", "los miércoles")),
        (dates.on_weekdays(5), ("on Saturdays", "le samedi", "samstags", "los sábados")),
        (dates.every_weekday(0), ("every Monday", "chaque lundi", "jeden Montag", "cada lunes")),
        (dates.from_to_weekday(0, 4), (
            "from Monday to Friday", "du lundi au vendredi", "von Montag bis Freitag", "de lunes a viernes")),
        (dates.in_month(8, 1999), ("in August 1999", "en août 1999", "im August 1999", "en agosto de 1999")),
        (dates.in_year(1984), ("in 1984", "en 1984", "im Jahr 1984", "en 1984")),
        (dates.in_year(1984, in_words=True), (
            "in nineteen eighty-four", "en mille neuf cent quatre-vingt-quatre",
            "im Jahr neunzehnhundertvierundachtzig", "en mil novecientos ochenta y cuatro")),
        (dates.in_year(1905, in_words=True), (
            "in nineteen oh five", "en mille neuf cent cinq", "im Jahr neunzehnhundertfünf",
            "en mil novecientos cinco")),
        (dates.in_year(1900, in_words=True), (
            "in nineteen hundred", "en mille neuf cents", "im Jahr neunzehnhundert", "en mil novecientos")),
        (dates.in_year(2001, in_words=True), (
            "in two thousand and one", "en deux mille un", "im Jahr zweitausendeins", "en dos mil uno")),
        (dates.in_year(2024, in_words=True), (
            "in twenty twenty-four", "en deux mille vingt-quatre", "im Jahr zweitausendvierundzwanzig",
            "en dos mil veinticuatro")),
    ],
)  # fmt: skip
def test_dates_and_years(said: dict[str, str], texts: tuple[str, ...]) -> None:
    assert tuple(said.values()) == texts


def test_the_held_out_set_is_not_trained_on() -> None:
    rng = random.Random(4)
    seen = {training_phrase(rng).text["en"].lower().rstrip(".") for _ in range(20_000)}
    held_out = {phrase.text["en"].lower().rstrip(".") for phrase in held_out_phrases(200)}

    assert len(seen) > 8000
    assert not seen & held_out


def test_a_held_out_number_is_not_trained_on_in_any_phrase() -> None:
    rng = random.Random(6)
    sentences = [training_phrase(rng).text["en"] for _ in range(10_000)]
    plurals = "|".join(noun.plural["en"] for noun in counts.THINGS)
    counted = re.findall(rf"([1-9][0-9,]{{2,}}) (?:{plurals})\b", " ".join(sentences))
    spoken = [number for number in range(100, 1000) if is_held_out("number", str(number))]
    houses = {f"{english(number)} {noun.plural['en']}" for number in spoken for noun in counts.THINGS}

    assert len(counted) > 100
    assert not any(is_held_out("number", number.replace(",", "")) for number in counted)
    assert not houses & {text.removeprefix("I have ").rstrip(".").lower() for text in sentences}


def test_the_same_seed_draws_the_same_phrases_and_each_is_whole() -> None:
    first, second = ([training_phrase(random.Random(seed)) for seed in range(300)] for _ in range(2))

    assert first == second
    for phrase in first:
        assert all(phrase.text.values())
        assert not any(sign in text for text in phrase.text.values() for sign in "{}|")
        assert not any("  " in text or text != text.strip() or ".." in text for text in phrase.text.values())
        assert len({text.endswith(".") for text in phrase.text.values()}) == 1 or ".m." in phrase.text["en"]
    assert [phrase.text for phrase in held_out_phrases(5)] == [phrase.text for phrase in held_out_phrases(5)]
    assert {phrase.kind for phrase in held_out_phrases(5)} == set(HELD_OUT_KINDS)


def test_sentences_have_the_same_slots_in_every_language() -> None:
    for row in SENTENCES:
        slots = [sorted(slots_of(text)) for text in row.values()]
        assert all(found == slots[0] for found in slots), row
        assert len({text[-1] == "?" for text in row.values()}) == 1
    for row in (*FIXED, *(thing for things in SLOTS.values() for thing in things)):
        assert len(row) == 4
        assert "{" not in "".join(row.values())


def test_the_first_letter_after_an_opening_mark_is_capitalized() -> None:
    assert capitalized("¿sale el tren?") == "¿Sale el tren?"
    assert capitalized("élan") == "Élan"
    assert capitalized("12,50 €") == "12,50 €"
