"""Fill sentence templates and make the result look typed by people: the text source of the starter models.

Pure Python and seeded: the same seed gives the same sentences on every machine, so that a test can make the held-out
data again without any training library.
"""

import random
import re
from collections.abc import Mapping, Sequence

_SLOT = re.compile(r"\{(\w+)\}")
_OPENERS = ("hi, ", "hello, ", "hey, ", "so ", "well, ", "ok, ", "by the way, ", "just to say, ", "good morning, ")
_CLOSERS = (" thanks", " thank you", " please", " :)", " today", " as of now", " cheers", " ok", " ...", "!!", "!")


def words(text: str) -> tuple[str, ...]:
    """Split a comma-separated list; ``words("car, big car")`` is ``("car", "big car")``."""
    return tuple(" ".join(part.split()) for part in text.split(",") if part.strip())


def nonsense(num_words: int) -> tuple[str, ...]:
    """Return pronounceable words that mean nothing, always the same: they stand for all the words no list has."""
    rng = random.Random(num_words)  # noqa: S311 - sentences, not secrets
    starts = words("b, br, c, d, dr, f, g, gr, h, j, k, l, m, n, p, pl, r, s, st, t, tr, v, w, z")
    middles, ends = "aeiou", "bdgklmnprstxz"

    def syllable() -> str:
        return rng.choice(starts) + rng.choice(middles) + (rng.choice(ends) if rng.random() < 0.5 else "")

    return tuple("".join(syllable() for _ in range(rng.randint(2, 3))) for _ in range(num_words))


def fill(template: str, slots: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Replace each ``{slot}`` by one of its words, slots within words too, and mend "a apple".

    Raises:
        KeyError: the template names a slot that ``slots`` lacks.
    """
    while _SLOT.search(template):
        template = _SLOT.sub(lambda match: rng.choice(slots[match[1]]), template)
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", template)


def as_typed(text: str, rng: random.Random) -> str:
    """Vary casing, punctuation, openers and closers, and sometimes put one typing error in."""
    if rng.random() < 0.12:
        text = rng.choice(_OPENERS) + text
    if rng.random() < 0.25:
        text = text.rstrip(".!?")
    if rng.random() < 0.10:
        text += rng.choice(_CLOSERS)
    if rng.random() < 0.15:
        text = _with_typo(text, rng)
    return _with_casing(text, rng)


def _with_casing(text: str, rng: random.Random) -> str:
    choice = rng.random()
    if choice < 0.25:
        return text.lower()
    if choice < 0.29:
        return text.upper()
    return text[:1].upper() + text[1:]


def _with_typo(text: str, rng: random.Random) -> str:
    """Swap, drop or double one letter inside one longer word, and leave its first letter alone."""
    places = [match for match in re.finditer(r"[A-Za-z]{5,}", text)]
    if not places:
        return text
    place = rng.choice(places)
    at = rng.randrange(place.start() + 1, place.end() - 1)
    edit = rng.choice(("swap", "drop", "double"))
    if edit == "swap":
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if edit == "drop" else text[:at] + text[at] + text[at:]
