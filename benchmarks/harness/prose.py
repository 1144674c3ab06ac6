"""Real English prose of mixed length, from the language reference that every Python installation includes."""

import math
import random
import re
from pydoc_data.topics import topics

SHORTEST, LONGEST = 15, 1500
"""Characters of a text."""
SEED = 7
_WORD = re.compile(r"[A-Za-z]")


def texts(num_texts: int) -> list[str]:
    """Return texts whose lengths are distributed log-uniformly; the same ones for the same Python."""
    draw = random.Random(SEED)
    source = words()
    return [_text(source, draw) for _ in range(num_texts)]


def words() -> list[str]:
    """Return the words of the reference in order, without tokens that are only markup."""
    return [word for name in sorted(topics) for word in topics[name].split() if _WORD.search(word)]


def _text(source: list[str], draw: random.Random) -> str:
    size = int(math.exp(draw.uniform(math.log(SHORTEST), math.log(LONGEST))))
    # So many words surely have so many characters.
    start = draw.randrange(len(source) - LONGEST)
    return " ".join(source[start : start + LONGEST])[:size].strip()
