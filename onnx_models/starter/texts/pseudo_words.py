"""Pronounceable words without a meaning: they stand for all the words that no list has."""

import random

from onnx_models.starter.texts.data import Words

_ONSETS = Words.parse("b, br, c, d, dr, f, g, gr, h, j, k, l, m, n, p, pl, r, s, st, t, tr, v, w, z")
_VOWELS, _CODAS = "aeiou", "bdgklmnprstxz"


def pseudo_words(num_words: int) -> tuple[str, ...]:
    """Return words of two or three syllables, the same ones for each number of words."""
    # A generator of its own: the words are made on import, and must not move the draws of a corpus.
    rng = random.Random(num_words)  # noqa: S311 - sentences, not secrets

    def syllable() -> str:
        return rng.choice(_ONSETS) + rng.choice(_VOWELS) + (rng.choice(_CODAS) if rng.random() < 0.5 else "")

    return tuple("".join(syllable() for _ in range(rng.randint(2, 3))) for _ in range(num_words))
