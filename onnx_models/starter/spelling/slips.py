"""What goes wrong in typing besides letters: spaces, words twice, capitals, signs. Each has one right correction."""

import random
from dataclasses import dataclass, field

from onnx_models.starter.spelling.dictionary import WORD, first_words, is_known, is_like_a_word, is_word, known_words

_SIGNS = (".", "?", ",")


@dataclass
class Draft:
    """A sentence as it is typed. A slip changes it, and tells whether it could."""

    words: list[str]
    """Without spaces, signs at them included."""
    spaces: list[str]
    """What is typed before each word; nothing before the first."""
    held_out: bool | None = None
    """Whether misspellings are those that training never sees; None: either."""
    touched: set[int] = field(default_factory=set)
    """Places of words that an error has changed: no other one may."""

    def untouched(self, first: int = 0) -> list[int]:
        """Return the places, from ``first`` on, that are still as they should be."""
        return [place for place in range(first, len(self.words)) if place not in self.touched]

    def replace(self, place: int, word: str) -> bool:
        """Write another word at a place; true."""
        self.words[place] = word
        self.touched.add(place)
        return True

    def __str__(self) -> str:
        return "".join(space + word for space, word in zip(self.spaces, self.words, strict=True))


def join(draft: Draft, rng: random.Random) -> bool:
    """Leave out a space between two known words, where no other cut gives words."""
    places = [place for place in draft.untouched(1) if place - 1 not in draft.touched]
    for place in rng.sample(places, len(places)):
        before, after = draft.words[place - 1], draft.words[place]
        last = WORD.match(after)
        if WORD.fullmatch(before) and last and _is_clear_pair(before, last[0]):
            draft.spaces[place] = ""
            draft.touched |= {place - 1, place}
            return True
    return False


def _is_clear_pair(before: str, after: str) -> bool:
    text = before + after
    cuts = [at for at in range(1, len(text)) if is_known(text[:at]) and is_known(text[at:])]
    return cuts == [len(before)] and not is_word(text) and not is_like_a_word(text)


def double_space(draft: Draft, rng: random.Random) -> bool:
    """Hit the space bar twice."""
    places = draft.untouched(1)
    if not places:
        return False
    place = rng.choice(places)
    draft.spaces[place] = "  "
    return draft.replace(place, draft.words[place])


def double_word(draft: Draft, rng: random.Random) -> bool:
    """Write a known word twice."""
    places = [place for place in draft.untouched(1) if draft.words[place] in _KNOWN]
    if not places:
        return False
    place = rng.choice(places)
    return draft.replace(place, f"{draft.words[place]} {draft.words[place]}")


def lose_first_capital(draft: Draft, rng: random.Random) -> bool:
    """Begin the sentence with a small letter."""
    word = draft.words[0]
    if 0 in draft.touched or word[1:] != word[1:].lower() or not word[:1].isupper():
        return False
    return draft.replace(0, word.lower())


def hold_shift(draft: Draft, rng: random.Random) -> bool:
    """Write the second letter of a word big too."""
    places = [place for place in draft.untouched() if draft.words[place][:1].isupper() and _is_word(draft, place, 3)]
    if not places:
        return False
    place = rng.choice(places)
    word = draft.words[place]
    return draft.replace(place, word[0] + word[1].upper() + word[2:])


def lose_capital(draft: Draft, rng: random.Random) -> bool:
    """Write a name, a day or a month small."""
    places = [place for place in draft.untouched(1) if draft.words[place][:1].isupper() and _is_word(draft, place, 1)]
    if not places:
        return False
    place = rng.choice(places)
    return draft.replace(place, draft.words[place].lower())


def _is_word(draft: Draft, place: int, min_letters: int) -> bool:
    found = WORD.match(draft.words[place])
    return found is not None and len(found[0]) >= min_letters and found[0] in (_KNOWN | _FIRST)


def lose_end(draft: Draft, rng: random.Random) -> bool:
    """Leave out the sign that ends the sentence; only where its words tell which one it is."""
    last = len(draft.words) - 1
    if last in draft.touched or not WORD.fullmatch(draft.words[last][:-1]):
        return False
    return draft.replace(last, draft.words[last][:-1])


def space_before_sign(draft: Draft, rng: random.Random) -> bool:
    """Hit the space bar before a sign too."""
    places = [place for place in draft.untouched() if draft.words[place][-1:] in _SIGNS]
    if not places:
        return False
    place = rng.choice(places)
    word = draft.words[place]
    return draft.replace(place, f"{word[:-1]} {word[-1]}")


_KNOWN, _FIRST = known_words(), first_words()
