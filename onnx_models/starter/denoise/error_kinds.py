"""Typing errors that do not concern letters: spaces, repeated words, capitals, marks. Each has one right correction."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onnx_models.starter.denoise.dictionary import WORD, first_words, is_known, is_like_a_word, is_word, known_words

_MARKS = (".", "?", ",")


@dataclass
class Draft:
    """A sentence while errors are put into it."""

    words: list[str]
    """Without spaces, but with the punctuation marks at them."""
    spaces: list[str]
    """What is typed before each word; nothing before the first."""
    held_out: bool | None = None
    """Whether misspellings are those held out from training, or those of training; None: either."""
    touched: set[int] = field(default_factory=set)
    """Places of words with an error: a word never has two."""

    def untouched(self, first: int = 0) -> list[int]:
        """Return the places from ``first`` on that have no error yet."""
        return [place for place in range(first, len(self.words)) if place not in self.touched]

    def replace(self, place: int, word: str) -> bool:
        """Write another word at a place; return True."""
        self.words[place] = word
        self.touched.add(place)
        return True

    def __str__(self) -> str:
        return "".join(space + word for space, word in zip(self.spaces, self.words, strict=True))


ErrorKind = Callable[[Draft, random.Random], bool]
"""Puts an error into a draft; returns whether there was room for one."""


def _replace_one(draft: Draft, places: Sequence[int], change: Callable[[str], str], rng: random.Random) -> bool:
    """Change the word at one of the places, if there is any."""
    if not places:
        return False
    place = rng.choice(places)
    return draft.replace(place, change(draft.words[place]))


def join(draft: Draft, rng: random.Random) -> bool:
    """Omit a space between two known words, where no other cut gives words."""
    places = [place for place in draft.untouched(1) if place - 1 not in draft.touched]
    for place in rng.sample(places, len(places)):
        before, after = draft.words[place - 1], draft.words[place]
        last = WORD.match(after)
        if WORD.fullmatch(before) and last and _is_unambiguous_pair(before, last[0]):
            draft.spaces[place] = ""
            draft.touched |= {place - 1, place}
            return True
    return False


def _is_unambiguous_pair(before: str, after: str) -> bool:
    text = before + after
    cuts = [at for at in range(1, len(text)) if is_known(text[:at]) and is_known(text[at:])]
    return cuts == [len(before)] and not is_word(text) and not is_like_a_word(text)


def double_space(draft: Draft, rng: random.Random) -> bool:
    """Hit the space bar twice."""
    places = draft.untouched(1)
    if not places:
        return False
    place = rng.choice(places)
    # Rewriting the word as it is marks it as touched, so that no other error concerns it.
    draft.spaces[place] = "  "
    return draft.replace(place, draft.words[place])


def double_word(draft: Draft, rng: random.Random) -> bool:
    """Write a known word twice."""
    places = [place for place in draft.untouched(1) if draft.words[place] in _KNOWN_WORDS]
    return _replace_one(draft, places, lambda word: f"{word} {word}", rng)


def lose_first_capital(draft: Draft, rng: random.Random) -> bool:
    """Begin the sentence with a small letter."""
    word = draft.words[0]
    # Not in a word of several capitals, such as an abbreviation: lower() would remove all of them.
    if 0 in draft.touched or word[1:] != word[1:].lower() or not word[:1].isupper():
        return False
    return draft.replace(0, word.lower())


def hold_shift(draft: Draft, rng: random.Random) -> bool:
    """Write the second letter of a word as a capital too."""
    places = [place for place in draft.untouched() if _is_capitalized_word(draft.words[place], 3)]
    return _replace_one(draft, places, lambda word: word[0] + word[1].upper() + word[2:], rng)


def lose_capital(draft: Draft, rng: random.Random) -> bool:
    """Write a name, a day or a month with a small letter."""
    places = [place for place in draft.untouched(1) if _is_capitalized_word(draft.words[place], 1)]
    return _replace_one(draft, places, str.lower, rng)


def _is_capitalized_word(text: str, min_letters: int) -> bool:
    # Only in known words: nobody could say how an unknown one is capitalized.
    found = WORD.match(text) if text[:1].isupper() else None
    return found is not None and len(found[0]) >= min_letters and found[0] in (_KNOWN_WORDS | _FIRST_WORDS)


def lose_end(draft: Draft, rng: random.Random) -> bool:
    """Omit the mark that ends the sentence; only where the words show which mark it was."""
    last = len(draft.words) - 1
    if last in draft.touched or not WORD.fullmatch(draft.words[last][:-1]):
        return False
    return draft.replace(last, draft.words[last][:-1])


def space_before_mark(draft: Draft, rng: random.Random) -> bool:
    """Hit the space bar before a punctuation mark."""
    places = [place for place in draft.untouched() if draft.words[place][-1:] in _MARKS]
    return _replace_one(draft, places, lambda word: f"{word[:-1]} {word[-1]}", rng)


_KNOWN_WORDS, _FIRST_WORDS = known_words(), first_words()
