"""Splits HTML into texts and markup, so that only the texts are translated.

This is a scanner and not a parser: markup must come back byte for byte, however malformed it is, and a parsed tree does
not keep that. It reads each character once, so its time is linear for any document.
"""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_RAW = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext"})
"""Elements whose content is raw text: a ``<`` in it begins no tag."""
_NOT_TRANSLATED_TAGS = frozenset({"pre", "code", "kbd", "samp", "tt", "svg", "math"})
"""Elements whose text is not translated."""
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
# Possessive quantifiers: an unclosed quote fails at once and not after trying each shorter match, which is quadratic.
_TAG_END = re.compile(r"""[^"'>]*+(?:"[^"]*"[^"'>]*+|'[^']*'[^"'>]*+)*+>""")
_NOT_TRANSLATED_ATTRIBUTE = re.compile(
    r"""\stranslate\s*=\s*(?:"\s*no\s*"|'\s*no\s*'|no(?=[\s/>]))"""
    r"""|\sclass\s*=\s*(?:"(?:[^"]*\s)?notranslate[\s"]|'(?:[^']*\s)?notranslate[\s']|notranslate(?=[\s/>]))""",
    re.IGNORECASE,
)

# `html.unescape` calls `int`, which raises an error for thousands of decimal digits, even if they are zeros.
_LEADING_ZEROS = re.compile(r"&#0++(?=[0-9])")
_BEYOND_UNICODE = re.compile(r"&#[0-9]{8,};?")


class Segment(NamedTuple):
    """A part of a document. Concatenated, the segments of a document are the document."""

    text: str
    """As in the document: with its entities unresolved."""
    is_text: bool
    """Whether it is to be translated."""


def unescaped(text: str) -> str:
    """Return a text with its entities resolved, as browsers do: numbers of no character become U+FFFD."""
    if "&#" in text:
        # A function and not a text, because a call that replaces millions of matches would keep Python's lock.
        text = _BEYOND_UNICODE.sub("\ufffd", _LEADING_ZEROS.sub(lambda match: "&#", text))
    return html.unescape(text)


def escaped(text: str) -> str:
    """Return a text as HTML, to stand between tags."""
    # Quotes need no escaping between tags. Without the replacement, each "&nbsp;" of the input would come back as an
    # invisible character.
    return html.escape(text, quote=False).replace("\xa0", "&nbsp;")


def segments(document: str) -> list[Segment]:
    """Return the texts of a document and the markup between them, in order."""
    found: list[Segment] = []
    markup: list[str] = []
    for segment in _Scanner(document).segments():
        if segment.is_text:
            if markup:
                found.append(Segment("".join(markup), is_text=False))
                markup = []
            found.append(segment)
        else:
            markup.append(segment.text)
    return [*found, Segment("".join(markup), is_text=False)] if markup else found


class _Scanner:
    def __init__(self, document: str) -> None:
        self._document = document
        self._untranslated = ""
        """Name of the outermost open element in which nothing is translated; empty: none is open."""
        self._depth = 0
        """How many elements of that name are open."""
        self._quotes_close = True
        """False once a quote without an end was found."""
        self._has_tags = True
        """False once no further ``>`` was found."""

    def segments(self) -> Iterator[Segment]:
        """Yield texts and markup. There may be several segments of either kind in a row."""
        document, position, searched = self._document, 0, 0
        while (start := document.find("<", searched)) != -1:
            # Read before the tag, which may change it: the tag does not apply to the text in front of it.
            is_text = not self._untranslated
            end = self._end_of_markup(start)
            if end is None:
                searched = start + 1  # the sign "less than"
                continue
            if start > position:
                yield Segment(document[position:start], is_text)
            yield Segment(document[start:end], is_text=False)
            position = searched = end
        if position < len(document):
            yield Segment(document[position:], is_text=not self._untranslated)

    def _end_of_markup(self, start: int) -> int | None:
        """Return where the markup that begins at ``start`` ends; None: no markup begins there."""
        document = self._document
        # The longer openings come first. What is never closed runs to the end of the document, as in browsers.
        for opening, closing in (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<!", ">"), ("<?", ">")):
            if document.startswith(opening, start):
                found = document.find(closing, start + len(opening))
                return len(document) if found == -1 else found + len(closing)
        match = _TAG.match(document, start) if self._has_tags else None
        end = self._end_of_tag(match.end()) if match else None
        if match is None or end is None:
            return None
        name, tag = match[2].casefold(), document[start:end]
        self._track_untranslated(name, tag, closes=bool(match[1]))
        is_raw = name in _RAW and not match[1] and not tag.endswith("/>")
        return self._end_of_raw(name, end) if is_raw else end

    def _end_of_tag(self, position: int) -> int | None:
        """Return where a tag ends: at the first ``>`` outside of quotes; None: nowhere."""
        # After a quote that is never closed all later quotes are ignored, and after the last ">" no tag is tried any
        # more: to search the rest of the document again from each "<" would be quadratic.
        if self._quotes_close:
            match = _TAG_END.match(self._document, position)
            if match:
                return match.end()
            self._quotes_close = False
        found = self._document.find(">", position)
        self._has_tags = found != -1
        return found + 1 if self._has_tags else None

    def _end_of_raw(self, name: str, position: int) -> int:
        """Return where the raw text of an element ends: at its closing tag, or with the document."""
        match = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(self._document, position)
        return match.start() if match else len(self._document)

    def _track_untranslated(self, name: str, tag: str, *, closes: bool) -> None:
        """Note whether a tag opens or closes an element in which nothing is translated."""
        if tag.endswith("/>") or name in _VOID:
            return
        # Only elements of the same name are counted: to match all of them needs a parser that repairs missing end tags.
        if self._untranslated:
            if name == self._untranslated:
                self._depth += -1 if closes else 1
                self._untranslated = self._untranslated if self._depth else ""
        elif not closes and (name in _NOT_TRANSLATED_TAGS or _NOT_TRANSLATED_ATTRIBUTE.search(tag)):
            self._untranslated, self._depth = name, 1
