"""So many of a thing, of money, of time: the number agrees with the noun as each language has it.

The table: English singular and plural, French, German and Spanish the same with m, f or n before them.
"""

from dataclasses import dataclass
from typing import cast

from onnx_models.starter.translating import TARGETS, Said
from onnx_models.starter.translating.numbers import Gender, english, french, german, spanish

_TABLE = """
house houses | f maison maisons | n Haus Häuser | f casa casas
table tables | f table tables | m Tisch Tische | f mesa mesas
chair chairs | f chaise chaises | m Stuhl Stühle | f silla sillas
book books | m livre livres | n Buch Bücher | m libro libros
letter letters | f lettre lettres | m Brief Briefe | f carta cartas
ticket tickets | m billet billets | f Fahrkarte Fahrkarten | m billete billetes
car cars | f voiture voitures | n Auto Autos | m coche coches
bicycle bicycles | m vélo vélos | n Fahrrad Fahrräder | f bicicleta bicicletas
dog dogs | m chien chiens | m Hund Hunde | m perro perros
cat cats | m chat chats | f Katze Katzen | m gato gatos
horse horses | m cheval chevaux | n Pferd Pferde | m caballo caballos
cow cows | f vache vaches | f Kuh Kühe | f vaca vacas
bird birds | m oiseau oiseaux | m Vogel Vögel | m pájaro pájaros
tree trees | m arbre arbres | m Baum Bäume | m árbol árboles
flower flowers | f fleur fleurs | f Blume Blumen | f flor flores
apple apples | f pomme pommes | m Apfel Äpfel | f manzana manzanas
egg eggs | m œuf œufs | n Ei Eier | m huevo huevos
bottle bottles | f bouteille bouteilles | f Flasche Flaschen | f botella botellas
glass glasses | m verre verres | n Glas Gläser | m vaso vasos
cup cups | f tasse tasses | f Tasse Tassen | f taza tazas
child children | m enfant enfants | n Kind Kinder | m niño niños
friend friends | m ami amis | m Freund Freunde | m amigo amigos
woman women | f femme femmes | f Frau Frauen | f mujer mujeres
man men | m homme hommes | m Mann Männer | m hombre hombres
person people | f personne personnes | f Person Personen | f persona personas
room rooms | f chambre chambres | n Zimmer Zimmer | f habitación habitaciones
window windows | f fenêtre fenêtres | n Fenster Fenster | f ventana ventanas
key keys | f clé clés | m Schlüssel Schlüssel | f llave llaves
picture pictures | f photo photos | n Bild Bilder | f foto fotos
shirt shirts | f chemise chemises | n Hemd Hemden | f camisa camisas
hat hats | m chapeau chapeaux | m Hut Hüte | m sombrero sombreros
ship ships | m bateau bateaux | n Schiff Schiffe | m barco barcos
page pages | f page pages | f Seite Seiten | f página páginas
word words | m mot mots | n Wort Wörter | f palabra palabras
student students | m étudiant étudiants | m Student Studenten | m estudiante estudiantes
school schools | f école écoles | f Schule Schulen | f escuela escuelas
city cities | f ville villes | f Stadt Städte | f ciudad ciudades
box boxes | f boîte boîtes | f Kiste Kisten | f caja cajas
"""
_MONEY = """
euro euros | m euro euros | m Euro Euro | m euro euros
dollar dollars | m dollar dollars | m Dollar Dollar | m dólar dólares
pound pounds | f livre livres | n Pfund Pfund | f libra libras
franc francs | m franc francs | m Franken Franken | m franco francos
"""
_TIMES = """
minute minutes | f minute minutes | f Minute Minuten | m minuto minutos
hour hours | f heure heures | f Stunde Stunden | f hora horas
day days | m jour jours | m Tag Tage | m día días
week weeks | f semaine semaines | f Woche Wochen | f semana semanas
month months | m mois mois | m Monat Monate | m mes meses
year years | m an ans | n Jahr Jahre | m año años
kilometre kilometres | m kilomètre kilomètres | m Kilometer Kilometer | m kilómetro kilómetros
metre metres | m mètre mètres | m Meter Meter | m metro metros
kilo kilos | m kilo kilos | n Kilo Kilo | m kilo kilos
degree degrees | m degré degrés | m Grad Grad | m grado grados
"""
_ONES: dict[Gender, str] = {"m": "ein", "f": "eine", "n": "ein"}
_ACCUSATIVE_ONES: dict[Gender, str] = {"m": "einen", "f": "eine", "n": "ein"}
_CENT = {"en": "cent", "fr": "centime", "de": "Cent", "es": "céntimo"}


@dataclass(frozen=True)
class Noun:
    """What can be counted: by language one of it, several of it, and its gender."""

    singular: Said
    plural: Said
    gender: dict[str, Gender]

    @property
    def name(self) -> str:
        """Its English name."""
        return self.singular["en"]


def _noun(row: str) -> Noun:
    first, *others = (cell.split() for cell in row.split("|"))
    singular, plural = {"en": first[0]}, {"en": first[1]}
    gender: dict[str, Gender] = {"en": "n"}
    for code, (article, one, several) in zip(TARGETS, others, strict=True):
        singular[code], plural[code], gender[code] = one, several, cast(Gender, article)
    return Noun(singular, plural, gender)


def _nouns(table: str) -> tuple[Noun, ...]:
    return tuple(map(_noun, table.strip().splitlines()))


THINGS, MONEY, MEASURES = _nouns(_TABLE), _nouns(_MONEY), _nouns(_TIMES)


def counted(number: int, noun: Noun, *, accusative: bool = True, with_and: bool = True) -> Said:
    """Return "twenty-one houses", 1 to 9,999; German in the case that verbs like "have" ask for, or the nominative."""
    if number == 1:
        ones = _ACCUSATIVE_ONES if accusative else _ONES
        return {
            "en": f"one {noun.singular['en']}",
            "fr": f"{'une' if noun.gender['fr'] == 'f' else 'un'} {noun.singular['fr']}",
            "de": f"{ones[noun.gender['de']]} {noun.singular['de']}",
            "es": f"{'una' if noun.gender['es'] == 'f' else 'un'} {noun.singular['es']}",
        }
    return {
        "en": f"{english(number, with_and=with_and)} {noun.plural['en']}",
        "fr": f"{french(number, noun.gender['fr'])} {noun.plural['fr']}",
        "de": f"{german(number)} {noun.plural['de']}",
        "es": f"{spanish(number, noun.gender['es'], before_noun=True)} {noun.plural['es']}",
    }


def counted_in_digits(number: int, noun: Noun) -> Said:
    """Return "1,250 houses"; each language parts thousands its own way, Spanish not below ten thousand."""
    names = noun.singular if number == 1 else noun.plural
    grouped = f"{number:,}"
    return {
        "en": f"{grouped} {names['en']}",
        "fr": f"{grouped.replace(',', ' ')} {names['fr']}",
        "de": f"{grouped.replace(',', '.')} {names['de']}",
        "es": f"{number} {names['es']}",
    }


def old(number: int, *, in_digits: bool = False) -> Said:
    """Return how old somebody is, as far as the languages say it with a noun: "twenty-one years old"."""
    years = counted_in_digits(number, MEASURES[5]) if in_digits else counted(number, MEASURES[5])
    return {**years, "en": f"{years['en']} old", "de": f"{years['de']} alt"}


def price_in_digits(units: int, cents: int, money: Noun) -> Said:
    """Return "12.50 euros"; the comma stands in the other languages. French has the plural from two on."""
    names = money.singular if (units, cents) == (1, 0) else money.plural
    names = {**names, "fr": (money.singular if units < 2 else money.plural)["fr"]}
    amount = f"{units}.{cents:02}" if cents else str(units)
    return {code: f"{amount if code == 'en' else amount.replace('.', ',')} {name}" for code, name in names.items()}


def price_with_sign(units: int, cents: int) -> Said:
    """Return "€12.50"; the sign stands behind in the other languages."""
    amount = f"{units}.{cents:02}" if cents else str(units)
    return {"en": f"€{amount}"} | {code: f"{amount.replace('.', ',')} €" for code in TARGETS}


def price_in_words(units: int, cents: int, money: Noun) -> Said:
    """Return "twelve euros", or of euros "twelve euros and fifty cents"."""
    whole = counted(units, money)
    if not cents:
        return whole
    plural = {code: word if cents == 1 or code == "de" else f"{word}s" for code, word in _CENT.items()}
    parts = {
        "en": f"and {english(cents)}",
        "fr": f"et {french(cents)}",
        "de": f"und {'einen' if cents == 1 else german(cents)}",
        "es": f"con {spanish(cents, before_noun=True)}",
    }
    return {code: f"{text} {parts[code]} {plural[code]}" for code, text in whole.items()}


def behind_in(said: Said) -> Said:
    """Return a time as it stands behind the German "in": "in drei Tagen", "in einer Stunde"."""
    number, noun = said["de"].split(" ")
    number = {"eine": "einer", "einen": "einem"}.get(number, number)
    singular = number.startswith("eine") or number == "1"
    return {**said, "de": f"{number} {noun if singular or noun.endswith('n') else f'{noun}n'}"}
