"""Texts with slots, ``"What is {a} plus {b}?"``: fill the slots, or read back from a text what fills them."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_SLOT = re.compile(r"\{(\w+)\}")


def slots_of(text: str) -> list[str]:
    """Return the names of the slots in the order of the text."""
    return _SLOT.findall(text)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each slot by its value.

    Raises:
        KeyError: ``values`` lacks a slot.
    """
    return fill_with(text, values.__getitem__)


def fill_with(text: str, draw: Callable[[str], str]) -> str:
    """Replace each slot by what ``draw`` returns for its name; slots of the same name are drawn one by one."""
    return _SLOT.sub(lambda slot: draw(slot[1]), text)


def fill_at_random(text: str, choices: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    """Replace each slot by one of its choices, which may have slots again, and correct "a apple" to "an apple".

    Raises:
        KeyError: ``choices`` lacks a slot.
    """
    while _SLOT.search(text):
        text = fill_with(text, lambda slot: rng.choice(choices[slot]))
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def capitalized(text: str) -> str:
    """Return a text with its first letter in upper case, even after a mark such as "¿"."""
    at = next((index for index, char in enumerate(text) if char.isalnum()), 0)
    return text[:at] + text[at].upper() + text[at + 1 :]


def compile_template(text: str, pattern_of: Callable[[str], str]) -> str:
    """Return a regular expression that matches what fills ``text``, with a group for each slot.

    ``pattern_of`` returns the expression of a slot. A slot that occurs again must match the same text again.
    """
    parts = _SLOT.split(text)
    seen: set[str] = set()
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = re.escape(part)
        else:
            parts[index] = f"(?P={part})" if part in seen else f"(?P<{part}>{pattern_of(part)})"
            seen.add(part)
    return "".join(parts)


@dataclass(frozen=True)
class Template:
    """A text with slots, and the words that each slot may hold."""

    text: str
    choices: Mapping[str, Sequence[str]]
    loose: bool = False
    """Whether ``parse`` ignores case, and accepts any or no punctuation mark at the end."""

    @property
    def slots(self) -> list[str]:
        """The names of the slots in the order of the text."""
        return slots_of(self.text)

    def parse(self, text: str) -> dict[str, str] | None:
        """Return what fills the slots in ``text``, spelt as in ``choices``; None if the text does not match."""
        found = self._pattern.fullmatch(text)
        if not found:
            return None
        return {slot: self._spelling[slot][value.lower()] for slot, value in found.groupdict().items()}

    @cached_property
    def _spelling(self) -> dict[str, dict[str, str]]:
        return {slot: {word.lower(): word for word in self.choices[slot]} for slot in self.slots}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        text = self.text.rstrip(".?!") if self.loose else self.text
        pattern = compile_template(text, lambda slot: "|".join(map(re.escape, self.choices[slot])))
        return re.compile(f"{pattern}[.?!]?", re.IGNORECASE) if self.loose else re.compile(pattern)
