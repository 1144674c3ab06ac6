"""Put typing errors into sentences; each can be undone in only one way.

Letters go wrong in known words only. No two errors concern the same word.
"""

import random
from collections.abc import Mapping

from onnx_models.starter.denoise import error_kinds
from onnx_models.starter.denoise.dictionary import WORD, known_words, misspellings
from onnx_models.starter.denoise.error_kinds import Draft, ErrorKind
from onnx_models.starter.texts.held_out import is_held_out

_MAX_TRIES = 8
"""A sentence may have no room for a kind of error; among this many kinds there is one that fits."""


def misspell(draft: Draft, rng: random.Random) -> bool:
    """Make a letter error in a known word."""
    for place in rng.sample(draft.untouched(), len(draft.untouched())):
        found = WORD.search(draft.words[place])
        texts = _misspellings_of(found[0], draft.held_out) if found else {}
        if found and texts:
            # The error is chosen first: a neighbouring key makes many more texts than two swapped letters.
            text = rng.choice(texts[rng.choice(sorted(texts))])
            return draft.replace(place, draft.words[place].replace(found[0], text, 1))
    return False


def _misspellings_of(word: str, held_out: bool | None) -> dict[str, tuple[str, ...]]:
    """Return a known word's misspellings by error, in the word's own case; nothing for other words."""
    found = misspellings(word) if word in _KNOWN_WORDS else {}
    lower = word[:1].lower() + word[1:]
    # The first word of a sentence is known without its capital letter.
    if word not in _KNOWN_WORDS and lower in _KNOWN_WORDS:
        found = {
            error: tuple(text[:1].upper() + text[1:] for text in texts) for error, texts in misspellings(lower).items()
        }
    if held_out is not None:
        found = {
            error: tuple(text for text in texts if is_held_out_misspelling(word, text) == held_out)
            for error, texts in found.items()
        }
    return {error: texts for error, texts in found.items() if texts}


def is_held_out_misspelling(word: str, text: str) -> bool:
    """Return whether training never has this misspelling of this word."""
    return is_held_out(f"{word}>{text}".lower(), one_in=6)


ERROR_KINDS: dict[ErrorKind, float] = {
    misspell: 62,
    error_kinds.join: 7,
    error_kinds.double_space: 6,
    error_kinds.double_word: 4,
    error_kinds.lose_first_capital: 5,
    error_kinds.hold_shift: 3,
    error_kinds.lose_capital: 4,
    error_kinds.lose_end: 6,
    error_kinds.space_before_mark: 3,
}
"""Every kind of error, and how often it is tried."""


def with_errors(
    sentence: str,
    num_errors: int,
    rng: random.Random,
    *,
    kinds: Mapping[ErrorKind, float] = ERROR_KINDS,
    held_out: bool | None = None,
) -> str:
    """Return a sentence with this many errors, or fewer if it has no room for them.

    Args:
        sentence: without errors, one space between words.
        num_errors: how many words, spaces or marks go wrong.
        rng: decides which, and how.
        kinds: of errors, and how often each is tried.
        held_out: whether misspellings are those held out from training (True), those of training (False), or any.
    """
    words = sentence.split(" ")
    draft = Draft(words, [""] + [" "] * (len(words) - 1), held_out)
    for _ in range(num_errors):
        # All tries are drawn at once, even if the first one succeeds: later draws depend on their number.
        tries = rng.choices(list(kinds), list(kinds.values()), k=_MAX_TRIES)
        any(kind(draft, rng) for kind in tries)
    return str(draft)


_KNOWN_WORDS = known_words()
