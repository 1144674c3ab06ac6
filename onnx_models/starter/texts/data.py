"""Read the data files of the corpora, which lie beside the modules that use them.

They are TOML. Long lists are written as texts, without quotes around each word; the types here say how they are split.
"""

from pathlib import Path
from typing import ClassVar, Protocol, Self, TypeVar

import msgspec


class Words(tuple[str, ...]):
    """A list that is separated by commas: "car, big car"."""

    separator: ClassVar[str] = ","

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a text, and drop the line breaks in it."""
        return cls(" ".join(part.split()) for part in text.split(cls.separator) if part.strip())


class Phrases(Words):
    """A list that is separated by ``|``, for texts with commas."""

    separator = "|"


class Lines(tuple[str, ...]):
    """A list with one text a line."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a text."""
        return cls(text.strip().splitlines())


class Rows(tuple[tuple[str, ...], ...]):
    """A table with one row a line; ``|`` separates the cells."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a text."""
        return cls(tuple(cell.strip() for cell in line.split("|")) for line in Lines.parse(text))


class _Parsed(Protocol):
    @classmethod
    def parse(cls, text: str) -> Self: ...


Contents = TypeVar("Contents")


def load(path: Path, contents: type[Contents]) -> Contents:
    """Return a TOML file, checked against a type; texts become what its classes parse.

    Raises:
        msgspec.DecodeError: it is not TOML, or not of this type.
    """
    return msgspec.toml.decode(path.read_bytes(), type=contents, dec_hook=_parse)


def _parse(parsed: type[_Parsed], text: str) -> _Parsed:
    return parsed.parse(text)
