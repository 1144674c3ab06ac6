"""Words that no list has: the corrector sees many of them in training, so that it leaves alone what it does not know.

None looks like what one typing error makes of a known word.
"""

import random

from onnx_models.starter.spelling.dictionary import is_like_a_word, is_word, known_words, relatives
from onnx_models.starter.templates import words

_STARTS = words(
    "b, bl, br, c, ch, d, dr, f, fl, g, gr, h, j, k, l, m, n, p, ph, pl, pr, qu, r, s, sh, st, t, th, v, w, z"
)
_MIDDLES = words("a, e, i, o, u, a, e, i, o, ai, ea, ee, oo, ou, y, ä, é")
_ENDS = words("b, ck, d, g, l, ll, m, n, nd, ng, nt, p, r, rt, s, ss, st, t, x, z")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def strange_word(rng: random.Random, *, as_name: bool = False) -> str:
    """Return a word to be left alone; a name begins with a capital letter."""
    while True:
        kind = rng.choices(("syllables", "relative", "letters", "code"), (10, 0 if as_name else 6, 2, 1))[0]
        word = _MAKERS[kind](rng)
        if as_name:
            word = word[:1].upper() + word[1:]
        if kind == "relative" or not (is_word(word) or is_like_a_word(word)):
            return word


def with_blends(sentence: str, share: float, rng: random.Random) -> str:
    """Return a sentence in which such a share of its words, but for the first, are made of parts of two known ones.

    They look most like known words, and must be left alone like all that is unknown.
    """
    first, *others = sentence.split(" ")
    return " ".join([first, *(_blend(rng) if _is_plain(word) and rng.random() < share else word for word in others)])


def _is_plain(word: str) -> bool:
    return word.isalpha() and word.islower()


def _blend(rng: random.Random) -> str:
    while True:
        one, other = rng.choice(_LONG), rng.choice(_LONG)
        word = one[: rng.randint(2, len(one))] + other[rng.randint(1, len(other) - 2) :]
        if not (is_word(word) or is_like_a_word(word)):
            return word


def _syllables(rng: random.Random) -> str:
    def syllable() -> str:
        end = rng.choice(_ENDS) if rng.random() < 0.5 else ""
        return rng.choice(_STARTS) * (rng.random() < 0.85) + rng.choice(_MIDDLES) + end

    word = "".join(syllable() for _ in range(rng.choices((1, 2, 3, 4), (1, 6, 4, 1))[0]))
    return word.capitalize() if rng.random() < 0.2 else word


def _relative(rng: random.Random) -> str:
    return rng.choice(_RELATIVES)


def _letters(rng: random.Random) -> str:
    word = "".join(rng.choices(_LETTERS, k=rng.randint(2, 9)))
    return word.upper() if rng.random() < 0.3 else word


def _code(rng: random.Random) -> str:
    signs = rng.choices(_LETTERS.upper() + "0123456789-", k=rng.randint(2, 6))
    return "".join(signs).strip("-") + str(rng.randint(0, 9))


_RELATIVES = sorted(relatives())
_LONG = sorted(word for word in known_words() if len(word) >= 4 and _is_plain(word))
_MAKERS = {"syllables": _syllables, "relative": _relative, "letters": _letters, "code": _code}
