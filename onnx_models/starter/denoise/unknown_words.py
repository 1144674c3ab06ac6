"""Words that no list has. Training has many of them, so that the corrector leaves alone what it does not know.

None of them looks like a known word with one typing error.
"""

import random
from collections.abc import Callable
from string import ascii_lowercase

from onnx_models.starter.denoise.dictionary import derived_words, is_like_a_word, is_word, known_words
from onnx_models.starter.texts.data import Words

_ONSETS = Words.parse(
    "b, bl, br, c, ch, d, dr, f, fl, g, gr, h, j, k, l, m, n, p, ph, pl, pr, qu, r, s, sh, st, t, th, v, w, z"
)
# The single vowels stand twice, so that they are more frequent than the others.
_VOWELS = Words.parse("a, e, i, o, u, a, e, i, o, ai, ea, ee, oo, ou, y, ä, é")
_CODAS = Words.parse("b, ck, d, g, l, ll, m, n, nd, ng, nt, p, r, rt, s, ss, st, t, x, z")


def unknown_word(rng: random.Random, *, as_name: bool = False) -> str:
    """Return a word to be left alone; a name begins with a capital letter."""
    while True:
        kind = rng.choices(("syllables", "derived", "letters", "code"), (10, 0 if as_name else 6, 2, 1))[0]
        word = _MAKERS[kind](rng)
        if as_name:
            word = word[:1].upper() + word[1:]
        # Derived words must be left alone too, though `is_word` is true of all of them.
        if kind == "derived" or not (is_word(word) or is_like_a_word(word)):
            return word


def with_blends(sentence: str, share: float, rng: random.Random) -> str:
    """Replace a share of a sentence's words, except for the first, by blends of two known words.

    Blends look more like known words than any other unknown word, and must be left alone all the same.
    """
    first, *others = sentence.split(" ")
    return " ".join([first, *(_blend(rng) if _is_plain(word) and rng.random() < share else word for word in others)])


def _is_plain(word: str) -> bool:
    return word.isalpha() and word.islower()


def _blend(rng: random.Random) -> str:
    while True:
        one, other = rng.choice(_LONG_WORDS), rng.choice(_LONG_WORDS)
        word = one[: rng.randint(2, len(one))] + other[rng.randint(1, len(other) - 2) :]
        if not (is_word(word) or is_like_a_word(word)):
            return word


def _from_syllables(rng: random.Random) -> str:
    def syllable() -> str:
        coda = rng.choice(_CODAS) if rng.random() < 0.5 else ""
        return rng.choice(_ONSETS) * (rng.random() < 0.85) + rng.choice(_VOWELS) + coda

    word = "".join(syllable() for _ in range(rng.choices((1, 2, 3, 4), (1, 6, 4, 1))[0]))
    return word.capitalize() if rng.random() < 0.2 else word


def _from_letters(rng: random.Random) -> str:
    word = "".join(rng.choices(ascii_lowercase, k=rng.randint(2, 9)))
    return word.upper() if rng.random() < 0.3 else word


def _code(rng: random.Random) -> str:
    signs = rng.choices(ascii_lowercase.upper() + "0123456789-", k=rng.randint(2, 6))
    return "".join(signs).strip("-") + str(rng.randint(0, 9))


_DERIVED_WORDS = sorted(derived_words())
_LONG_WORDS = sorted(word for word in known_words() if len(word) >= 4 and _is_plain(word))
_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "syllables": _from_syllables,
    "derived": lambda rng: rng.choice(_DERIVED_WORDS),
    "letters": _from_letters,
    "code": _code,
}
