"""What a request asks for, as far as it is known without a tokenizer. Each task's row says how to find it."""

from collections.abc import Iterable

import msgspec


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a model would have to read and write for a request."""

    num_rows: int
    """Inputs."""
    num_chars: int
    """Of all inputs together, as `num_chars` counts them."""
    num_sequences: int = 0
    """Sequences that are decoded for each input, beams included; 0 for models that write nothing."""
    min_new_tokens: int = 0
    """Fewest tokens of a sequence."""
    max_new_tokens: int | None = None
    """Most tokens of a sequence; None if the request leaves it to the model."""


def num_chars(texts: Iterable[str]) -> int:
    """Return the characters of texts, where those beyond ASCII count as their bytes in UTF-8.

    Tokenizers cut what they don't know into bytes, and a character of most other scripts into several tokens.
    """
    return sum(len(text) if text.isascii() else len(text.encode(errors="replace")) for text in texts)
