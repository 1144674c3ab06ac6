"""Texts to embed: real English prose of mixed length, out of the language reference that every Python carries."""

import math
import random
import re
from pydoc_data.topics import topics

SHORTEST, LONGEST = 15, 1500
"""Characters of a text."""
SEED = 7
_WORD = re.compile(r"[A-Za-z]")


def texts(num_texts: int) -> list[str]:
    """Return texts whose lengths are spread evenly over the scale of powers; the same ones for the same Python."""
    draw = random.Random(SEED)
    source = words()
    return [_text(source, draw) for _ in range(num_texts)]


def words() -> list[str]:
    """Return the reference as one long row of words, without what is only markup."""
    return [word for name in sorted(topics) for word in topics[name].split() if _WORD.search(word)]


def _text(source: list[str], draw: random.Random) -> str:
    size = int(math.exp(draw.uniform(math.log(SHORTEST), math.log(LONGEST))))
    start = draw.randrange(len(source) - LONGEST)
    return " ".join(source[start : start + LONGEST])[:size].strip()
