"""A text to check: maps positions in the plain text to positions in the client's text.

Corrections are found in the plain text and count code points. Clients of LanguageTool count UTF-16 code units, as Java
and JavaScript do, and may send a text with markup. In place of markup, the model reads its ``interpretAs``.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.errors import InvalidRequest, MalformedBody
from services.gateway.http.bodies.strict_json import parse
from services.gateway.http.validation import check

MAX_ANNOTATIONS = 100_000
_MAX_VALUES = 4 * MAX_ANNOTATIONS
"""So many have three values each, and there is room for a few fields that are not used."""


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    markup: str | None = None
    interpret_as: str | None = None


class _Data(msgspec.Struct, frozen=True):
    text: str | None = None
    annotation: Annotated[list[_Part], Meta(max_length=MAX_ANNOTATIONS)] | None = None


@dataclass(frozen=True)
class _Run:
    """A part of the plain text that the client's text has too, by code points from ``start`` to ``end``."""

    start: int
    end: int
    shift: int
    """What to add to a position in the plain text to get the one in the whole text."""


class CheckedText:
    """``plain`` is the text that the model reads, ``whole`` the client's text with its markup."""

    def __init__(self, parts: list[tuple[str, str]]) -> None:
        """Take the parts of the text in order, each as it is in the whole and in the plain text."""
        self.whole = "".join(whole for whole, _ in parts)
        self.plain = "".join(plain for _, plain in parts)
        self._runs: list[_Run] = []
        whole_start = plain_start = 0
        for whole, plain in parts:
            if whole == plain and whole:
                self._runs.append(_Run(plain_start, plain_start + len(plain), whole_start - plain_start))
            whole_start += len(whole)
            plain_start += len(plain)
        self._starts = [run.start for run in self._runs]
        self._wide = [index for index, character in enumerate(self.whole) if character > "\uffff"]

    def span(self, offset: int, length: int) -> tuple[int, int] | None:
        """Return where a part of the plain text begins and ends in the whole text, by code points.

        None if there is markup within it: the correction would delete the markup.
        """
        index = bisect_right(self._starts, offset) - 1
        run = self._runs[index] if index >= 0 else None
        if run is None or offset + length > run.end:
            return None
        return offset + run.shift, offset + length + run.shift

    def units(self, offset: int) -> int:
        """Return how many UTF-16 code units precede a position of the whole text."""
        # Each character outside of the basic multilingual plane takes two units.
        return offset + bisect_left(self._wide, offset)


def parse_checked_text(text: str | None, data: str | None) -> CheckedText:
    """Return the text of a request, which is given as it is or as JSON with markup. Raises as ``parts_of``."""
    return CheckedText(parts_of(text, data))


def parts_of(text: str | None, data: str | None) -> list[tuple[str, str]]:
    """Return the parts of a request's text, each as it is in the client's text and in the plain text.

    Raises:
        InvalidRequest: none of the two is given, or both are, or the JSON is invalid.
    """
    if (text is None) == (data is None):
        raise InvalidRequest("Set either 'text' or 'data'." if text is None else "Set only one of 'text' and 'data'.")
    if text is not None:
        return [(text, text)]
    try:
        found = check(parse((data or "").encode(), max_values=_MAX_VALUES), _Data)
    except MalformedBody as error:
        # The error of `parse` is about a whole body. Here one field of a valid form is wrong.
        raise InvalidRequest(error.message.replace("The body", "It"), param="data") from error
    except InvalidRequest as error:
        error.param = f"data.{error.param}" if error.param else "data"
        raise
    if (found.text is None) == (found.annotation is None):
        raise InvalidRequest("Expected either 'text' or 'annotation'.", param="data")
    if found.annotation is None:
        return [(str(found.text), str(found.text))]
    return [_part(part, index) for index, part in enumerate(found.annotation)]


def _part(part: _Part, index: int) -> tuple[str, str]:
    if (part.text is None) == (part.markup is None) or (part.text is not None and part.interpret_as is not None):
        problem = "Expected either 'text', or 'markup' and maybe 'interpretAs'."
        raise InvalidRequest(problem, param=f"data.annotation[{index}]")
    if part.text is not None:
        return part.text, part.text
    return str(part.markup), part.interpret_as or ""
