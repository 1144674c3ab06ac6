"""Make generated sentences look as if people had typed them."""

import random
import re

_OPENERS = ("hi, ", "hello, ", "hey, ", "so ", "well, ", "ok, ", "by the way, ", "just to say, ", "good morning, ")
_CLOSERS = (" thanks", " thank you", " please", " :)", " today", " as of now", " cheers", " ok", " ...", "!!", "!")


def as_typed(text: str, rng: random.Random) -> str:
    """Vary case, punctuation, openers and closers, and sometimes add one typing error."""
    if rng.random() < 0.12:
        text = rng.choice(_OPENERS) + text
    if rng.random() < 0.25:
        text = text.rstrip(".!?")
    if rng.random() < 0.10:
        text += rng.choice(_CLOSERS)
    if rng.random() < 0.15:
        text = _with_typo(text, rng)
    return _with_case(text, rng)


def _with_case(text: str, rng: random.Random) -> str:
    choice = rng.random()
    if choice < 0.25:
        return text.lower()
    if choice < 0.29:
        return text.upper()
    return text[:1].upper() + text[1:]


def _with_typo(text: str, rng: random.Random) -> str:
    """Swap, drop or double one letter of a word of five letters or more, but not its first letter."""
    candidates = [match for match in re.finditer(r"[A-Za-z]{5,}", text)]
    if not candidates:
        return text
    word = rng.choice(candidates)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    edit = rng.choice(("swap", "drop", "double"))
    if edit == "swap":
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if edit == "drop" else text[:at] + text[at] + text[at:]
