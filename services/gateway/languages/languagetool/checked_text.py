"""A text that is checked, and where its characters stand in what the client has: markup, and UTF-16 code units.

Corrections are found in the plain text, by code points. Clients of LanguageTool count in UTF-16 code units, as Java and
JavaScript do, and may send a text with markup, of which only some is read, as what it stands for.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts.errors import InvalidRequest, MalformedBody
from services.gateway.http.body import parse
from services.gateway.tasks.schemas import check

MAX_ANNOTATIONS = 100_000


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    markup: str | None = None
    interpret_as: str | None = None


class _Data(msgspec.Struct, frozen=True):
    text: str | None = None
    annotation: Annotated[list[_Part], Meta(max_length=MAX_ANNOTATIONS)] | None = None


@dataclass(frozen=True)
class _Run:
    """A piece of the plain text that the client has as it is, by code points from ``start`` to ``end``."""

    start: int
    end: int
    shift: int
    """How much further back it stands in the whole text."""


class CheckedText:
    """``plain`` is what the model reads, ``whole`` what the client has."""

    def __init__(self, parts: list[tuple[str, str]]) -> None:
        """Take the parts of the text in order, each as the client has it and as it is read."""
        self.whole = "".join(own for own, _ in parts)
        self.plain = "".join(read for _, read in parts)
        self._runs: list[_Run] = []
        place = start = 0
        for own, read in parts:
            if own == read and own:
                self._runs.append(_Run(start, start + len(read), place - start))
            place += len(own)
            start += len(read)
        self._starts = [run.start for run in self._runs]
        self._wide = [index for index, character in enumerate(self.whole) if character > "\uffff"]

    def span(self, offset: int, length: int) -> tuple[int, int] | None:
        """Return where a piece of the plain text begins and ends in the whole one, by code points.

        None where markup stands in it: to correct it would take the markup away.
        """
        index = bisect_right(self._starts, offset) - 1
        run = self._runs[index] if index >= 0 else None
        if run is None or offset + length > run.end:
            return None
        return offset + run.shift, offset + length + run.shift

    def units(self, offset: int) -> int:
        """Return how many UTF-16 code units stand before a place of the whole text."""
        return offset + bisect_left(self._wide, offset)


def read_checked(text: str | None, data: str | None) -> CheckedText:
    """Return the text that a client sends, as it is or as JSON with markup.

    Raises:
        InvalidRequest: there is none, there are two, or the JSON is not as it should be.
    """
    if (text is None) == (data is None):
        raise InvalidRequest("Set either 'text' or 'data'." if text is None else "Set only one of 'text' and 'data'.")
    if text is not None:
        return CheckedText([(text, text)])
    try:
        found = check(parse((data or "").encode()), _Data)
    except MalformedBody as error:
        raise InvalidRequest(error.message.replace("The body", "It"), param="data") from error
    except InvalidRequest as error:
        error.param = f"data.{error.param}" if error.param else "data"
        raise
    if (found.text is None) == (found.annotation is None):
        raise InvalidRequest("Expected either 'text' or 'annotation'.", param="data")
    if found.annotation is None:
        return CheckedText([(str(found.text), str(found.text))])
    return CheckedText([_part(part, index) for index, part in enumerate(found.annotation)])


def _part(part: _Part, index: int) -> tuple[str, str]:
    if (part.text is None) == (part.markup is None) or (part.text is not None and part.interpret_as is not None):
        problem = "Expected either 'text', or 'markup' and maybe 'interpretAs'."
        raise InvalidRequest(problem, param=f"data.annotation[{index}]")
    if part.text is not None:
        return part.text, part.text
    return str(part.markup), part.interpret_as or ""
