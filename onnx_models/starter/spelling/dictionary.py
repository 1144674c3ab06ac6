"""The words whose spelling the starter corrector is to know, and what typing makes of them.

A misspelling is used only where it can mean one word alone: not a word itself, nor what an error makes of another one.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from onnx_models.starter.spelling.templates import TEMPLATES
from onnx_models.starter.spelling.words import KINDS, LIKE_OTHERS
from onnx_models.starter.vocabulary import ACTIONS, COMMON, OBJECTS

WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
LETTER_ERRORS = ("neighbour", "swapped", "doubled", "left_out", "slipped")
"""A neighbouring key instead of the right one; two letters in the wrong order; a letter twice; a letter too few; a
neighbouring key that was hit too."""
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ENDINGS = ("s", "es", "d", "ed", "r", "er", "ing", "ly", "y", "'s")


@cache
def known_words() -> frozenset[str]:
    """Return every word that the corrector knows, as it is written inside a sentence."""
    lists = [word for kind in KINDS.values() for word in kind]
    groups = [group for table in (OBJECTS, ACTIONS) for kind in table.values() for group in kind]
    texts = [*TEMPLATES, *lists, *COMMON, *LIKE_OTHERS, *(word for group in groups for word in group)]
    found = {word.lower() for text in texts for word in WORD.findall(re.sub(r"\{\w+\}", " ", text))}
    capital = {word for text in (*lists, "I I'm") for word in WORD.findall(text) if word[0].isupper()}
    small = {word for word in found if word.capitalize() not in capital and (len(word) > 1 or word == "a")}
    return frozenset(small | capital)


@cache
def first_words() -> frozenset[str]:
    """Return the words that sentences of the templates begin with, as they are written there."""
    starts = set()
    for template in TEMPLATES:
        gap = re.match(r"\{(\w+?)2?\}", template)
        texts = KINDS[gap[1]] if gap else (template,)
        starts |= {word[0][:1].upper() + word[0][1:] for word in map(WORD.match, texts) if word}
    return frozenset(starts)


@cache
def relatives() -> frozenset[str]:
    """Return known words with an ending more: words, or so like words that an error must not look like them."""
    return frozenset(word + ending for word in known_words() for ending in _ENDINGS) - known_words()


@cache
def misspellings(word: str) -> dict[str, tuple[str, ...]]:
    """Return what each letter error can make of a known word and of no other, by error; without those that can't."""
    made = {error: tuple(sorted({text for text in _typed(word, error) if is_clear(text)})) for error in LETTER_ERRORS}
    return {error: texts for error, texts in made.items() if texts}


def is_clear(text: str) -> bool:
    """Tell whether a text that an error made is no word, and comes from one known word alone."""
    return not is_word(text) and len(_meanings().get(text.lower(), ())) <= 1


def is_known(text: str) -> bool:
    """Tell whether a text is a known word as it is written inside a sentence, or at its beginning."""
    return text in known_words() or text.lower() in known_words()


def is_word(text: str) -> bool:
    """Tell whether a text, in any casing, is a known word or one of its relatives."""
    return text.lower() in _small_words() or text.lower() in relatives()


def is_like_a_word(text: str) -> bool:
    """Tell whether one letter error may have made a text from a known word."""
    return text.lower() in _meanings()


@cache
def _small_words() -> frozenset[str]:
    return frozenset(word.lower() for word in known_words())


@cache
def _meanings() -> dict[str, frozenset[str]]:
    """Return for each text that an error can make, in small letters, the words that it can come from."""
    found: dict[str, set[str]] = defaultdict(set)
    for word in known_words():
        for error in LETTER_ERRORS:
            for text in _typed(word, error):
                found[text.lower()].add(word)
    return {text: frozenset(words) for text, words in found.items()}


def _typed(word: str, error: str) -> Iterator[str]:
    """Yield what an error makes of a word, with its first letter's casing kept where the letter is."""
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
    """Return the letters beside a letter on the keyboard: in its row, and in those above and below."""
    for row, letters in enumerate(_KEYBOARD):
        at = letters.find(key)
        if at >= 0:
            beside = [(row, at - 1), (row, at + 1), (row - 1, at), (row - 1, at + 1), (row + 1, at - 1), (row + 1, at)]
            return "".join(_KEYBOARD[y][x] for y, x in beside if 0 <= y < 3 and 0 <= x < len(_KEYBOARD[y]))
    return ""
