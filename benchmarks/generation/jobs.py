"""The jobs that the clients request: texts of a known number of tokens, cut from real prose."""

import random
from dataclasses import dataclass

from tokenizers import Tokenizer

from benchmarks.harness.prose import words
from workers.runtime.decoding.request import Ids


@dataclass(frozen=True)
class Job:
    """One text to continue or to rewrite. Decoding is greedy, so every side of a comparison must generate the same."""

    text: str
    input_ids: Ids
    """int64 [tokens], as the model reads them."""
    max_new_tokens: int


def text_of(tokenizer: Tokenizer, num_tokens: int, seed: int) -> tuple[str, list[int]]:
    """Return a text and its tokens, without special ones.

    The text has ``num_tokens`` tokens, or fewer where the tokenizer would encode the cut text differently.
    """
    source = words()
    start = random.Random(seed).randrange(len(source) - num_tokens)
    ids = _encode(tokenizer, " ".join(source[start : start + num_tokens]))[:num_tokens]
    # The tokens of a word that was cut may not be those that the tokenizer makes of the cut word.
    while ids and _encode(tokenizer, tokenizer.decode(ids)) != ids:
        ids.pop()
    return tokenizer.decode(ids), ids


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)
