"""Parallel texts: the same thing in each of four languages."""

from functools import cache
from typing import Self

from onnx_models.starter.texts.data import Rows
from onnx_models.starter.texts.templates import fill

LANGUAGES = ("en", "fr", "de", "es")
TARGETS = ("fr", "de", "es")

ParallelText = dict[str, str]
"""The same text in each of `LANGUAGES`, by code."""


def parallel(english: str, french: str, german: str, spanish: str) -> ParallelText:
    """Return a parallel text."""
    return dict(zip(LANGUAGES, (english, french, german, spanish), strict=True))


class ParallelTexts(tuple[ParallelText, ...]):
    """A table with a row ``English | French | German | Spanish`` for each text."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the table."""
        return cls(parallel(*row) for row in Rows.parse(text))


def render(row: str | ParallelText, **values: str | ParallelText) -> ParallelText:
    """Fill the slots of a template in each language.

    Args:
        row: the templates: a parallel text, or a row ``English | French | German | Spanish``.
        values: by slot a parallel text, or one text for all languages.
    """
    templates = _split(row) if isinstance(row, str) else row
    by_language = {
        code: {slot: value if isinstance(value, str) else value[code] for slot, value in values.items()}
        for code in LANGUAGES
    }
    return {code: fill(template, by_language[code]) for code, template in templates.items()}


@cache
def _split(row: str) -> ParallelText:
    return ParallelTexts.parse(row)[0]
