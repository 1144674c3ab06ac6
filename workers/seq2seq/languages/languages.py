"""From what a client calls a language to what a model calls it: de, deu, de-DE, German to deu_Latn or de_DE."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from contracts.errors import InvalidRequest
from workers.seq2seq.languages.names import LANGUAGES, SCRIPT_OF_REGION, SCRIPTS

_MAX_LISTED = 40
_SCRIPT = re.compile(r"[A-Za-z]{4}")
_REGION = re.compile(r"[A-Za-z]{2}|\d{3}")
_NO_REGION = "XX"
"""mBART writes it for a language of no particular region."""


class Tag(NamedTuple):
    """What a code says (BCP 47 in short). Script and region are empty where it says nothing of them."""

    language: str
    """The table's code, or what stands there for a language that the table lacks."""
    script: str
    region: str


def tag_of(code: str) -> Tag:
    """Return what a code says, be it a client's or a model's; a name in English is a code too."""
    first, *others = re.split(r"[-_]", code.strip())
    known = LANGUAGES.get(first.casefold()) or _BY_NAME.get(code.strip().casefold())
    language = known.code if known else first.casefold()
    script = next((part.title() for part in others if _SCRIPT.fullmatch(part)), "")
    region = next((part.upper() for part in others if _REGION.fullmatch(part)), "")
    region = "" if region == _NO_REGION else region
    script = script or SCRIPT_OF_REGION.get((language, region), "")
    return Tag(language, "Kore" if (language, script) == ("ko", "Hang") else script, region)


class Languages:
    """The languages that a model reads, or those that it writes.

    Args:
        codes: the model's own.
        role: for messages: ``source`` or ``target``.
    """

    def __init__(self, codes: Iterable[str], role: str) -> None:
        self._tags = {code: tag_of(code) for code in codes}
        self._exact = {code.casefold(): code for code in self._tags}
        self._role = role

    def __len__(self) -> int:
        return len(self._tags)

    def find(self, code: str, param: str) -> str:
        """Return the model's code of what a client calls a language.

        A region that the model does not tell apart is passed over, another script is not.

        Raises:
            InvalidRequest: the model does not know it; ``param`` is where the code stands.
        """
        exact = self._exact.get(code.strip().casefold())
        if exact is not None:
            return exact
        wanted = tag_of(code)
        scores = {own: _likeness(wanted, tag) for own, tag in self._tags.items()}
        best = max(scores, key=lambda own: scores[own], default=None)
        if best is None or scores[best] < 0:
            raise InvalidRequest(
                f"The model has no {self._role} language {code!r}; it has {self.listed()}.", param=param
            )
        return best

    def told(self) -> dict[str, str]:
        """Return for each language the code that clients are told, and its English name, sorted by code."""
        return dict(sorted(_told(self._tags).items()))

    def listed(self) -> str:
        """Return the codes that clients are told, as words; of many only the first."""
        codes = list(self.told())
        more = len(codes) - _MAX_LISTED
        return ", ".join(codes[:_MAX_LISTED]) + (f" and {more} more: see /v1/models" if more > 0 else "")


def same_language(one: str, other: str) -> bool:
    """Return whether two of a model's codes are of one language in one script."""
    first, second = tag_of(one), tag_of(other)
    return first.language == second.language and _script(first) == _script(second) and first.region == second.region


def _likeness(wanted: Tag, own: Tag) -> int:
    """Return how well a model's language is what is wanted; below zero: it is another one."""
    if wanted.language != own.language:
        return -1
    if wanted.script and own.script and wanted.script != own.script:
        return -1
    usual = 2 * (own.script in ("", _script(wanted)))
    return usual + (wanted.region == own.region)


def _script(tag: Tag) -> str:
    """Return the script that a tag names, or the one that its language usually has."""
    known = LANGUAGES.get(tag.language)
    return tag.script or (known.scripts[0] if known else "")


def _told(tags: dict[str, Tag]) -> dict[str, str]:
    """Languages that differ in script or region only are told apart by it, but for one of them in its usual script."""
    found: dict[str, str] = {}
    for own, tag in sorted(tags.items(), key=lambda item: (item[1].language, not _is_usual(item[1]), item[0])):
        known = LANGUAGES.get(tag.language)
        name = known.name if known else own
        code = tag.language if known else own
        for mark, words in ((tag.script, SCRIPTS.get(tag.script, tag.script)), (tag.region, tag.region)):
            if code in found and mark:
                code, name = f"{code}-{mark}", f"{name} ({words})"
        found[own if code in found else code] = name
    return found


def _is_usual(tag: Tag) -> bool:
    return _script(tag) == _script(Tag(tag.language, "", "")) and not tag.region


_BY_NAME = {known.name.casefold(): known for known in LANGUAGES.values()}
