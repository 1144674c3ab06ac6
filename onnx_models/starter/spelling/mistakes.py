"""Put typing errors into sentences, each of which can be undone in one way alone.

Letters go wrong inside known words only. No two errors touch the same word.
"""

import random
import zlib
from collections.abc import Callable, Mapping

from onnx_models.starter.spelling import slips
from onnx_models.starter.spelling.dictionary import WORD, known_words, misspellings
from onnx_models.starter.spelling.slips import Draft

_TRIES = 8
"""A kind of error may find no place in a sentence; among so many one does."""
Slip = Callable[[Draft, random.Random], bool]


def misspell(draft: Draft, rng: random.Random) -> bool:
    """Make a letter error in a known word."""
    for place in rng.sample(draft.untouched(), len(draft.untouched())):
        found = WORD.search(draft.words[place])
        texts = _misspellings_of(found[0], draft.held_out) if found else {}
        if found and texts:
            text = rng.choice(texts[rng.choice(sorted(texts))])
            return draft.replace(place, draft.words[place].replace(found[0], text, 1))
    return False


def _misspellings_of(word: str, held_out: bool | None) -> dict[str, tuple[str, ...]]:
    """Return a known word's misspellings by error, in the word's own casing; nothing for other words."""
    found = misspellings(word) if word in _KNOWN else {}
    small = word[:1].lower() + word[1:]
    if word not in _KNOWN and small in _KNOWN:
        found = {
            error: tuple(text[:1].upper() + text[1:] for text in texts) for error, texts in misspellings(small).items()
        }
    if held_out is not None:
        found = {
            error: tuple(text for text in texts if is_held_out_misspelling(word, text) == held_out)
            for error, texts in found.items()
        }
    return {error: texts for error, texts in found.items() if texts}


def is_held_out_misspelling(word: str, text: str) -> bool:
    """Tell whether training never sees this word misspelt like this; one in six."""
    return zlib.crc32(f"{word}>{text}".lower().encode()) % 6 == 0


SLIPS: dict[Slip, float] = {
    misspell: 62,
    slips.join: 7,
    slips.double_space: 6,
    slips.double_word: 4,
    slips.lose_first_capital: 5,
    slips.hold_shift: 3,
    slips.lose_capital: 4,
    slips.lose_end: 6,
    slips.space_before_sign: 3,
}
"""Every kind of error, and how often it is tried."""


def with_mistakes(
    sentence: str,
    num_mistakes: int,
    rng: random.Random,
    *,
    kinds: Mapping[Slip, float] = SLIPS,
    held_out: bool | None = None,
) -> str:
    """Return a sentence with so many errors, or fewer where it has no room for them.

    Args:
        sentence: without errors, one space between words.
        num_mistakes: how many words, spaces or signs go wrong.
        rng: decides which, and how.
        kinds: of errors, and how often each is tried.
        held_out: whether words are misspelt as training never sees them (True), as it does (False), or in any way.
    """
    words = sentence.split(" ")
    draft = Draft(words, [""] + [" "] * (len(words) - 1), held_out)
    for _ in range(num_mistakes):
        tries = rng.choices(list(kinds), list(kinds.values()), k=_TRIES)
        any(kind(draft, rng) for kind in tries)
    return str(draft)


_KNOWN = known_words()
