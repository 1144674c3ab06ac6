"""The words whose spelling the corrector knows, and their misspellings.

A misspelling is used only if it can mean one word alone: it is neither a word, nor what an error makes of another word.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from onnx_models.starter.texts.data import Lines, Words, load
from onnx_models.starter.texts.templates import slots_of
from onnx_models.starter.texts.vocabulary import ACTIONS, COMMON_WORDS, OBJECTS, WEEKDAYS


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    extra_words: Words
    templates: dict[str, Lines]
    slots: dict[str, Words]


_FILE = load(Path(__file__).with_name("sentences.toml"), _File)
TEMPLATES = tuple(template for domain in _FILE.templates.values() for template in domain)
SLOTS: dict[str, tuple[str, ...]] = _FILE.slots | {
    "day": WEEKDAYS,
    "number": tuple(map(str, (*range(2, 40), 45, 50, 60, 75, 80, 90, 100, 120, 150, 250, 300, 500))),
}

WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
LETTER_ERRORS = ("neighbour", "swapped", "doubled", "left_out", "slipped")
"""A neighbouring key instead of the right one; two letters in the wrong order; a letter twice; a letter too few; a
neighbouring key that was hit as well."""
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ENDINGS = ("s", "es", "d", "ed", "r", "er", "ing", "ly", "y", "'s")


@cache
def known_words() -> frozenset[str]:
    """Return every word that the corrector knows, as it is written inside a sentence."""
    fillings = [word for choices in SLOTS.values() for word in choices]
    groups = [group for table in (OBJECTS, ACTIONS) for kind in table.values() for group in kind]
    synonyms = [phrase for group in groups for phrase in group]
    texts = [*TEMPLATES, *fillings, *COMMON_WORDS, *_FILE.extra_words, *synonyms]
    found = {word.lower() for text in texts for word in WORD.findall(re.sub(r"\{\w+\}", " ", text))}
    # A name is known with its capital letter only: without it, it counts as an error.
    upper = {word for text in (*fillings, "I I'm") for word in WORD.findall(text) if word[0].isupper()}
    lower = {word for word in found if word.capitalize() not in upper and (len(word) > 1 or word == "a")}
    return frozenset(lower | upper)


@cache
def first_words() -> frozenset[str]:
    """Return the words that sentences of the templates begin with, as they are written there."""
    starts = set()
    for template in TEMPLATES:
        texts = SLOTS[slots_of(template)[0].rstrip("2")] if template.startswith("{") else (template,)
        starts |= {word[0][:1].upper() + word[0][1:] for word in map(WORD.match, texts) if word}
    return frozenset(starts)


@cache
def derived_words() -> frozenset[str]:
    """Return known words with an ending added: real words, or so similar to some that no error may produce them."""
    return frozenset(word + ending for word in known_words() for ending in _ENDINGS) - known_words()


@cache
def misspellings(word: str) -> dict[str, tuple[str, ...]]:
    """Return by letter error what it can make of a known word and of no other; without errors that can make nothing."""
    # Sorted, since sets have another order in each process, and draws must be the same in all.
    made = {
        error: tuple(sorted({text for text in _apply(error, word) if is_unambiguous(text)})) for error in LETTER_ERRORS
    }
    return {error: texts for error, texts in made.items() if texts}


def is_unambiguous(text: str) -> bool:
    """Return whether a misspelt text is not a word, and comes from one known word alone."""
    return not is_word(text) and len(_origins().get(text.lower(), ())) <= 1


def is_known(text: str) -> bool:
    """Return whether a text is a known word, as it is written inside a sentence or at its beginning."""
    return text in known_words() or text.lower() in known_words()


def is_word(text: str) -> bool:
    """Return whether a text in any case is a known word or derived from one."""
    return text.lower() in _lower_case_words() or text.lower() in derived_words()


def is_like_a_word(text: str) -> bool:
    """Return whether one letter error can make a text out of a known word."""
    return text.lower() in _origins()


@cache
def _lower_case_words() -> frozenset[str]:
    return frozenset(word.lower() for word in known_words())


@cache
def _origins() -> dict[str, frozenset[str]]:
    """Return for each text that an error can make, in lower case, the words from which it can come."""
    found: dict[str, set[str]] = defaultdict(set)
    for word in known_words():
        for error in LETTER_ERRORS:
            for text in _apply(error, word):
                found[text.lower()].add(word)
    return {text: frozenset(origins) for text, origins in found.items()}


def _apply(error: str, word: str) -> Iterator[str]:
    """Yield what an error can make of a word; the first letter keeps its case where the letter is kept."""
    if "'" in word:
        yield from (word.replace("'", ""),) * (error == "left_out")
        return
    if len(word) < 3:
        return
    for at, letter in enumerate(word):
        before, after = word[:at], word[at + 1 :]
        keys = [key if letter.islower() else key.upper() for key in neighbours(letter.lower())]
        if error == "neighbour":
            yield from (before + key + after for key in keys)
        elif error == "slipped":
            yield from (before + letter + key.lower() + after for key in keys)
        elif error == "doubled":
            yield before + letter + letter.lower() + after
        elif error == "left_out" and at:
            yield before + after
        elif error == "swapped" and after and at and letter != after[0]:
            yield before + after[0] + letter + after[1:]


@cache
def neighbours(key: str) -> str:
    """Return the letters next to a letter on the keyboard: in its row, and in those above and below."""
    for row, letters in enumerate(_KEYBOARD):
        at = letters.find(key)
        if at >= 0:
            around = [(row, at - 1), (row, at + 1), (row - 1, at), (row - 1, at + 1), (row + 1, at - 1), (row + 1, at)]
            return "".join(_KEYBOARD[y][x] for y, x in around if 0 <= y < 3 and 0 <= x < len(_KEYBOARD[y]))
    return ""
