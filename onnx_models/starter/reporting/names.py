"""Names and figures of reports. Most names are made of syllables, so that there are always some that nobody has seen.

**Held out from training**, one in five by checksum: names, and figures of two digits and more.
"""

import random
from collections.abc import Callable

from onnx_models.starter.templates import words
from onnx_models.starter.writing.gaps import is_held_out

_STARTS = words(
    "Ash, Black, Brad, Bright, Brom, Cart, Charl, Clay, Dar, Dun, East, Elm, Fair, Fern, Gold, Graf, Ham, Hart, Hazel, "
    "High, Hol, King, Lam, Lang, Lin, Marl, Mel, Mil, New, North, Oak, Pen, Raven, Red, Ros, Sel, Sil, Stan, Stone, "
    "Thorn, Wal, Wes, Whit, Win, Wood, York"
)
_ENDS = words(
    "bridge, brook, burg, bury, by, dale, den, don, field, ford, gate, ham, haven, hill, ley, low, mere, mouth, port, "
    "stead, ton, vale, ville, well, wick, wood, worth"
)
_REAL = words(
    "Leeds, London, Paris, Berlin, Madrid, Vienna, Rome, Bristol, Oxford, Bath, Dublin, Cardiff, Glasgow, Munich, "
    "Hamburg, Lyon, Bern, Prague, Oslo, Seattle, Boston, Chicago, Denver, Toronto, Sydney, Ripon, Derby, Milan"
)
_BEFORE = words("New, Old, Upper, Lower, Saint, Port, Great, Little")
_FIRST_NAMES = words(
    "Anna, Ben, Clara, David, Emma, Frank, Grace, Henry, Ida, Jack, Kate, Leo, Maria, Nina, Oscar, Paula, Robert, "
    "Sarah, Tom, Vera, Walter, Zoe, James, Lucy, Martin, Julia, Peter, Alice, Daniel, Helen"
)
_CLUBS = words("Rovers, United, City, Town, Rangers, Athletic, Wanderers, Tigers, Eagles, Lions, Stars, Albion")
_ONSETS = words("b, br, c, ch, d, f, g, gr, h, j, k, kl, l, m, n, p, r, s, sch, st, t, tr, v, w, z, th, sp, fl, y")
_VOWELS = words("a, e, i, o, u, ai, ea, ee, ou, y, ie")
_CODAS = (*words("n, r, l, s, t, m, nd, rg, ck, x, d, lt, ns, th"), *6 * ("",))


def place(rng: random.Random, *, held_out: bool = False) -> str:
    """Return the name of a town, some of two words."""
    name = _draw(rng, held_out, lambda: rng.choice(_REAL) if rng.random() < 0.15 else _composed(rng))
    return f"{rng.choice(_BEFORE)} {name}" if rng.random() < 0.08 else name


def person(rng: random.Random, *, held_out: bool = False) -> str:
    """Return first and last name."""
    return f"{rng.choice(_FIRST_NAMES)} {_draw(rng, held_out, lambda: _composed(rng))}"


def company(rng: random.Random, *, held_out: bool = False) -> str:
    """Return the name of a company, or of a thing that is called like one."""
    return _draw(rng, held_out, lambda: _composed(rng))


def club(rng: random.Random, *, held_out: bool = False) -> str:
    """Return the name of a team: of a town, of a club, or of both."""
    way = rng.random()
    if way < 0.3:
        return rng.choice(_CLUBS)
    town = place(rng, held_out=held_out)
    return town if way < 0.6 else f"{town} {rng.choice(_CLUBS)}"


def figure(rng: random.Random, least: int, most: int, *, held_out: bool = False) -> str:
    """Return a number in digits; those below ten are never held out."""
    while True:
        drawn = rng.randint(least, most)
        if drawn < 10 or is_held_out("figure", str(drawn)) == held_out:
            return str(drawn)


def _draw(rng: random.Random, held_out: bool, make: Callable[[], str]) -> str:
    while True:
        name = make()
        if is_held_out("name", name) == held_out:
            return name


def _composed(rng: random.Random) -> str:
    """Return a name of two known parts, or of syllables."""
    if rng.random() < 0.7:
        return rng.choice(_STARTS) + rng.choice(_ENDS)
    syllables = (rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.choice((2, 2, 3))))
    return "".join(syllables).capitalize()
