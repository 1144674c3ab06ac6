"""HTML apart into its text and all the rest, so that the text alone is translated.

A scanner and no parser: what is not text is returned as it stands, however malformed, and what it means is nobody's
business here. It reads every character once.
"""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

_RAW = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext"})
"""Elements whose content is no markup."""
_KEPT = frozenset({"pre", "code", "kbd", "samp", "tt", "svg", "math"})
"""Elements whose text is not translated."""
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_QUOTED = re.compile(r"""[^"'>]*+(?:"[^"]*"[^"'>]*+|'[^']*'[^"'>]*+)*+>""")
_NOT_TRANSLATED = re.compile(
    r"""\stranslate\s*=\s*(?:"\s*no\s*"|'\s*no\s*'|no(?=[\s/>]))"""
    r"""|\sclass\s*=\s*(?:"(?:[^"]*\s)?notranslate[\s"]|'(?:[^']*\s)?notranslate[\s']|notranslate(?=[\s/>]))""",
    re.IGNORECASE,
)


class Segment(NamedTuple):
    """A stretch of a document. Joined, the segments of a document are the document."""

    text: str
    """As it stands: entities of a text are not resolved yet."""
    is_text: bool


def unescaped(text: str) -> str:
    """Return a text with its entities resolved."""
    return html.unescape(text)


def escaped(text: str) -> str:
    """Return a text as it stands in HTML between tags."""
    return html.escape(text, quote=False).replace("\xa0", "&nbsp;")


def segments(document: str) -> list[Segment]:
    """Return the stretches of a document that are texts to be translated, and those between them, in order."""
    found: list[Segment] = []
    kept: list[str] = []
    for segment in _Reader(document).segments():
        if segment.is_text:
            if kept:
                found.append(Segment("".join(kept), is_text=False))
                kept = []
            found.append(segment)
        else:
            kept.append(segment.text)
    return [*found, Segment("".join(kept), is_text=False)] if kept else found


class _Reader:
    def __init__(self, document: str) -> None:
        self._document = document
        self._inside = ""
        """The element within which nothing is translated, and how many of its name are open."""
        self._depth = 0
        self._heeds_quotes = True
        self._has_tags = True

    def segments(self) -> Iterator[Segment]:
        """Yield texts and markup in turn."""
        document, position, searched = self._document, 0, 0
        while (start := document.find("<", searched)) != -1:
            is_text = not self._inside
            end = self._end_of_markup(start)
            if end is None:
                searched = start + 1  # a mere "less than"
                continue
            if start > position:
                yield Segment(document[position:start], is_text)
            yield Segment(document[start:end], is_text=False)
            position = searched = end
        if position < len(document):
            yield Segment(document[position:], is_text=not self._inside)

    def _end_of_markup(self, start: int) -> int | None:
        """Return where the markup that begins here ends, or None if it is none."""
        document = self._document
        for opening, closing in (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<!", ">"), ("<?", ">")):
            if document.startswith(opening, start):
                found = document.find(closing, start + len(opening))
                return len(document) if found == -1 else found + len(closing)
        match = _TAG.match(document, start) if self._has_tags else None
        end = self._end_of_tag(match.end()) if match else None
        if match is None or end is None:
            return None
        name, tag = match[2].casefold(), document[start:end]
        self._note(name, tag, closes=bool(match[1]))
        is_raw = name in _RAW and not match[1] and not tag.endswith("/>")
        return self._end_of_raw(name, end) if is_raw else end

    def _end_of_tag(self, position: int) -> int | None:
        """Return where a tag ends: at the first ``>`` that is in no quotes.

        Where quotes are never closed, those of the rest of the document are not heeded any more.
        """
        if self._heeds_quotes:
            match = _QUOTED.match(self._document, position)
            if match:
                return match.end()
            self._heeds_quotes = False
        found = self._document.find(">", position)
        self._has_tags = found != -1
        return found + 1 if self._has_tags else None

    def _end_of_raw(self, name: str, position: int) -> int:
        """Return where the content of an element ends that is no markup: at its closing tag, or with the document."""
        match = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(self._document, position)
        return match.start() if match else len(self._document)

    def _note(self, name: str, tag: str, *, closes: bool) -> None:
        """Note whether a tag begins or ends an element within which nothing is translated."""
        if tag.endswith("/>") or name in _VOID:
            return
        if self._inside:
            if name == self._inside:
                self._depth += -1 if closes else 1
                self._inside = self._inside if self._depth else ""
        elif not closes and (name in _KEPT or _NOT_TRANSLATED.search(tag)):
            self._inside, self._depth = name, 1
