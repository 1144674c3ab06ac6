"""Matches the language codes of clients with those of a model: de, deu, de-DE or German with deu_Latn or de_DE."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from contracts.errors import InvalidRequest
from workers.seq2seq.languages.iso639 import LANGUAGES, SCRIPT_OF_REGION, SCRIPTS

_MAX_LISTED = 40
"""Most codes in an error message. NLLB has 200."""
_SCRIPT = re.compile(r"[A-Za-z]{4}")
# BCP 47 also has the three digits of UN M.49, as in es-419.
_REGION = re.compile(r"[A-Za-z]{2}|\d{3}")
_NO_REGION = "XX"
"""mBART's region of a language that has no particular one."""


class LanguageTag(NamedTuple):
    """A parsed code, as in BCP 47. Script and region are empty if the code does not name them."""

    language: str
    """Code in `LANGUAGES`; or the first part of the parsed code, in lower case, if the table lacks the language."""
    script: str
    region: str


def parse_tag(code: str) -> LanguageTag:
    """Parse a client's or a model's code, or an English name of a language."""
    first, *subtags = re.split(r"[-_]", code.strip())
    known = LANGUAGES.get(first.casefold()) or _BY_NAME.get(code.strip().casefold())
    language = known.code if known else first.casefold()
    script = next((subtag.title() for subtag in subtags if _SCRIPT.fullmatch(subtag)), "")
    region = next((subtag.upper() for subtag in subtags if _REGION.fullmatch(subtag)), "")
    region = "" if region == _NO_REGION else region
    script = script or SCRIPT_OF_REGION.get((language, region), "")
    # NLLB writes Korean as kor_Hang; the script of ISO 15924 for Korean is Kore, Hangul with Hanja.
    return LanguageTag(language, "Kore" if (language, script) == ("ko", "Hang") else script, region)


class LanguageSet:
    """The source or the target languages of a model.

    Args:
        codes: the model's own.
        role: ``source`` or ``target``, for error messages.
    """

    def __init__(self, codes: Iterable[str], role: str) -> None:
        self._tags = {code: parse_tag(code) for code in codes}
        self._by_casefold = {code.casefold(): code for code in self._tags}
        self._role = role

    def __len__(self) -> int:
        return len(self._tags)

    def find(self, code: str, param: str) -> str:
        """Return the model's code of the language that a client's code means.

        A region that the model does not distinguish is ignored; a script is not.

        Args:
            code: the client's.
            param: request field of the code, for the error.

        Raises:
            InvalidRequest: the model does not have the language.
        """
        # A model's own code always means itself, also where parsing it would find a better match ("pt_br", "x-elvish").
        exact = self._by_casefold.get(code.strip().casefold())
        if exact is not None:
            return exact
        requested = parse_tag(code)
        scores = {own: _match_score(requested, tag) for own, tag in self._tags.items()}
        best = max(scores, key=lambda own: scores[own], default=None)
        if best is None or scores[best] < 0:
            raise InvalidRequest(
                f"The model has no {self._role} language {code!r}; it has {self.listed()}.", param=param
            )
        return best

    def names(self) -> dict[str, str]:
        """Return the English name of each language by the code that clients see, sorted by code."""
        return dict(sorted(_public_names(self._tags).items()))

    def listed(self) -> str:
        """Return the codes that clients see, as a phrase for error messages; the first 40 of more."""
        codes = list(self.names())
        num_more = len(codes) - _MAX_LISTED
        return ", ".join(codes[:_MAX_LISTED]) + (f" and {num_more} more: see /v1/models" if num_more > 0 else "")


def same_language(one: str, other: str) -> bool:
    """Return whether two codes of a model mean one language, in one script and region."""
    first, second = parse_tag(one), parse_tag(other)
    return first.language == second.language and _script(first) == _script(second) and first.region == second.region


def _match_score(requested: LanguageTag, own: LanguageTag) -> int:
    """Return how well a model's language matches; negative: it is another language."""
    if requested.language != own.language:
        return -1
    if requested.script and own.script and requested.script != own.script:
        return -1
    # The script counts more than the region: zh-TW without Hant in the model is another language, de-AT is German.
    in_usual_script = own.script in ("", _script(requested))
    return 2 * in_usual_script + (requested.region == own.region)


def _script(tag: LanguageTag) -> str:
    """Return the script of a tag, or else the usual one of its language."""
    known = LANGUAGES.get(tag.language)
    return tag.script or (known.scripts[0] if known else "")


def _public_names(tags: dict[str, LanguageTag]) -> dict[str, str]:
    """Return codes and names. Variants of one language get their script or region, except for the most usual one."""
    found: dict[str, str] = {}
    # The most usual variant comes first and so gets the bare code: zh is simplified, zh-Hant has its script.
    for own, tag in sorted(tags.items(), key=lambda item: (item[1].language, not _is_usual(item[1]), item[0])):
        known = LANGUAGES.get(tag.language)
        name = known.name if known else own
        code = tag.language if known else own
        for subtag, words in ((tag.script, SCRIPTS.get(tag.script, tag.script)), (tag.region, tag.region)):
            if code in found and subtag:
                code, name = f"{code}-{subtag}", f"{name} ({words})"
        found[own if code in found else code] = name
    return found


def _is_usual(tag: LanguageTag) -> bool:
    return _script(tag) == _script(LanguageTag(tag.language, "", "")) and not tag.region


_BY_NAME = {known.name.casefold(): known for known in LANGUAGES.values()}
