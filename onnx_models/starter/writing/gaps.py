"""Texts with gaps, ``"What is {a} plus {b}?"``: they are filled from word lists, and read back into what fills them."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_GAP = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Gaps:
    """A text with gaps, and for each gap the words that it may have."""

    text: str
    words: Mapping[str, Sequence[str]]
    loose: bool = False
    """Read in any casing, with or without the sign at the end: as people type."""

    @property
    def names(self) -> list[str]:
        """The gaps, in their order in the text."""
        return _GAP.findall(self.text)

    def fill(self, filling: Mapping[str, str]) -> str:
        """Return the text with its gaps filled.

        Raises:
            KeyError: a gap has no filling.
        """
        return _GAP.sub(lambda gap: filling[gap[1]], self.text)

    def read(self, text: str) -> dict[str, str] | None:
        """Return what fills the gaps of ``text``, in the spelling of the word lists; None: it is another text."""
        found = self._pattern.fullmatch(text)
        if not found:
            return None
        return {name: self._spelling[name][value.lower()] for name, value in found.groupdict().items()}

    @cached_property
    def _spelling(self) -> dict[str, dict[str, str]]:
        return {name: {word.lower(): word for word in self.words[name]} for name in self.names}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        text = self.text.rstrip(".?!") if self.loose else self.text
        parts = _GAP.split(text)
        parts[::2] = map(re.escape, parts[::2])
        parts[1::2] = [f"(?P<{name}>{'|'.join(map(re.escape, self.words[name]))})" for name in parts[1::2]]
        pattern = "".join(parts) + ("[.?!]?" if self.loose else "")
        return re.compile(pattern, re.IGNORECASE if self.loose else 0)


def is_held_out(*key: str) -> bool:
    """Tell whether training never sees this combination; one in five, by a checksum that is the same everywhere."""
    return zlib.crc32("|".join(key).encode()) % 5 == 0
