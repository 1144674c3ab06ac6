"""The word lists of ``vocabulary.toml``: everyday words, things, people, activities, and groups of synonyms."""

from pathlib import Path
from typing import Self

import msgspec

from onnx_models.starter.texts.data import Lines, Words, load


class Groups(tuple[Words, ...]):
    """Groups of interchangeable phrases, one a line. Sentences that are made of the same groups mean the same."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a text."""
        return cls(map(Words.parse, Lines.parse(text)))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    common: Words
    weekdays: Words
    months: Words
    objects: dict[str, Groups]
    actions: dict[str, Groups]
    groups: dict[str, Groups]


_FILE = load(Path(__file__).with_name("vocabulary.toml"), _File)

COMMON_WORDS = _FILE.common
"""Everyday English words that carry no sentiment."""
WEEKDAYS, MONTHS = _FILE.weekdays, _FILE.months
OBJECTS, ACTIONS = _FILE.objects, _FILE.actions
"""By kind, groups of things and what can be done with them."""
GROUPS = _FILE.groups
"""Groups of problems, people, activities, places and questions."""
