"""Texts of known length: pieces of real prose, cut where a tokenizer lets them be cut."""

import random

from tokenizers import Tokenizer

from benchmarks.harness.prose import words


def text_of(tokenizer: Tokenizer, num_tokens: int, seed: int) -> tuple[str, list[int]]:
    """Return a text and its tokens without special ones: so many, or one less where the last word does not allow it."""
    source = words()
    start = random.Random(seed).randrange(len(source) - num_tokens)
    ids = _encode(tokenizer, " ".join(source[start : start + num_tokens]))[:num_tokens]
    # A word that was cut may be put together from other pieces than it was cut from; without it nothing changes.
    while ids and _encode(tokenizer, tokenizer.decode(ids)) != ids:
        ids.pop()
    return tokenizer.decode(ids), ids


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)
