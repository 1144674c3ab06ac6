"""Corrections in LanguageTool's format: matches, each with the text around it."""

import re

import msgspec

from contracts.seq2seq import Edit
from services.gateway.languages.languagetool.checked_text import CheckedText

MAX_MATCHES = 5000
"""Each match carries the text around it, so the response to a long text full of errors would be very large."""
RULE_ID, CATEGORY_ID = "TRIPTYCH_DENOISE", "TYPOS"
CONTEXT = 40
"""Characters of the context before a match, and after it, as in LanguageTool's own server."""
MAX_SENTENCE = 300
"""Most characters of the sentence before a match, and after it."""
# Possessive, and begun only where a run of marks begins: so each character is read once, even if all are full stops.
_SENTENCE_END = re.compile(r"(?<![.!?\u2026\u3002])[.!?\u2026\u3002]++[\s\u200b]++|\n++")


class Replacement(msgspec.Struct, frozen=True):
    """A text that may replace the match."""

    value: str


class Context(msgspec.Struct, frozen=True):
    """The text around a match, and the match's place in it."""

    text: str
    offset: int
    length: int


class MatchType(msgspec.Struct, frozen=True, rename="camel"):
    """The kind of match, by which clients choose a colour."""

    type_name: str = "UnknownWord"


class Category(msgspec.Struct, frozen=True):
    """The category of the rule."""

    id: str = CATEGORY_ID
    name: str = "Possible Typo"


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """The only rule: that the text is as the model corrects it."""

    id: str = RULE_ID
    description: str = "The model that corrects typing errors would write this differently."
    issue_type: str = "misspelling"
    category: Category = Category()


class Match(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A place to correct. ``offset`` and ``length`` count UTF-16 code units of the text as it was sent."""

    message: str = "Possible typing error found."
    short_message: str = "Typing error"
    replacements: list[Replacement]
    offset: int
    length: int
    context: Context
    sentence: str
    type: MatchType = MatchType()
    rule: Rule = Rule()
    ignore_for_incomplete_sentence: bool = False
    context_for_sure_match: int = 0


def matches_of(text: CheckedText, edits: list[Edit]) -> tuple[list[Match], bool]:
    """Return the corrections that the client can make, ``MAX_MATCHES`` at most, and whether there are more."""
    found: list[Match] = []
    for edit in edits:
        match = _match(text, _visible(text.plain, edit))
        if match is not None:
            if len(found) == MAX_MATCHES:
                return found, True
            found.append(match)
    return found, False


def _visible(plain: str, edit: Edit) -> Edit:
    """Return an insertion as the replacement of a neighbouring character, best not a space; others as they are."""
    # Editors can't underline a match of length 0.
    if edit.length or not plain:
        return edit
    before, after = plain[max(edit.offset - 1, 0) : edit.offset], plain[edit.offset : edit.offset + 1]
    if before and (not before.isspace() or not after):
        return Edit(edit.offset - 1, 1, [before + value for value in edit.replacements])
    return Edit(edit.offset, 1, [value + after for value in edit.replacements])


def _match(text: CheckedText, edit: Edit) -> Match | None:
    span = text.span(edit.offset, edit.length)
    if span is None:
        return None
    start, end = span
    offset = text.units(start)
    length = text.units(end) - offset
    return Match(
        replacements=[Replacement(value) for value in edit.replacements],
        offset=offset,
        length=length,
        context=_context(text, start, end, length),
        sentence=_sentence(text.whole, start, end),
    )


def _context(text: CheckedText, start: int, end: int, length: int) -> Context:
    first, last = max(start - CONTEXT, 0), min(end + CONTEXT, len(text.whole))
    head = "..." if first else ""
    tail = "..." if last < len(text.whole) else ""
    # Clients show the context in one line. Each character is replaced by one, so that the offset stays right.
    piece = re.sub(r"[\r\n\t]", " ", text.whole[first:last])
    return Context(head + piece + tail, len(head) + text.units(start) - text.units(first), length)


def _sentence(whole: str, start: int, end: int) -> str:
    first, last = max(start - MAX_SENTENCE, 0), min(end + MAX_SENTENCE, len(whole))
    # Searched within a window: a text without a full stop may be megabytes long, and has thousands of matches.
    for mark in _SENTENCE_END.finditer(whole, first, start):
        first = mark.end()
    following = _SENTENCE_END.search(whole, end, last)
    return whole[first : following.end() if following else last].strip()
