"""LanguageTool's responses: what stands around the matches, which are in `matches.py`."""

import msgspec

from contracts.seq2seq import Edit
from services.gateway.jobs.outputs.answers import MIB, AnswerFormat
from services.gateway.jobs.outputs.packing import unpack
from services.gateway.jobs.outputs.result import outputs_of
from services.gateway.languages.languagetool.checked_text import CheckedText, parse_checked_text
from services.gateway.languages.languagetool.matches import MAX_MATCHES, Match, matches_of
from services.gateway.version import VERSION


class Software(msgspec.Struct, frozen=True, rename="camel"):
    """The software that responds."""

    name: str = "Triptych"
    version: str = VERSION
    build_date: str = ""
    api_version: int = 1
    premium: bool = False
    status: str = ""


class Warnings(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whether the text has more matches than the response."""

    incomplete_results: bool
    incomplete_results_reason: str = ""


class Detected(msgspec.Struct, frozen=True):
    """The language of the request: nothing is detected, but clients expect the field."""

    name: str
    code: str
    confidence: float = 1.0


class CheckedLanguage(msgspec.Struct, frozen=True, rename="camel"):
    """The language in which the text was read."""

    name: str
    code: str
    detected_language: Detected


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """LanguageTool's response."""

    software: Software = Software()
    warnings: Warnings
    language: CheckedLanguage
    matches: list[Match]


class KnownLanguage(msgspec.Struct, frozen=True, rename="camel"):
    """A language in which texts are checked."""

    name: str
    code: str
    long_code: str


class CheckDetails(msgspec.Struct, frozen=True):
    """What a response depends on besides its job: the request's two fields with the text, and a code and a name."""

    text: str | None
    data: str | None
    language: tuple[str, str]


def make_checked(packed: bytes) -> bytes:
    """Return the response of a job that corrects one text."""
    job, details = unpack(packed, CheckDetails)
    (output,) = outputs_of(job)
    text = parse_checked_text(details.text, details.data)
    return msgspec.json.encode(checked(text, details.language, output.edits))


CHECKED = AnswerFormat(make_checked, MIB // 16)


def checked(text: CheckedText, language: tuple[str, str], edits: list[Edit]) -> Checked:
    """Return the response for a text and its corrections; ``language`` is a code and a name."""
    matches, more = matches_of(text, edits)
    code, name = language
    reason = f"These are only the first {MAX_MATCHES} matches: send the text in parts." if more else ""
    return Checked(
        warnings=Warnings(more, reason),
        language=CheckedLanguage(name, code, Detected(name, code)),
        matches=matches,
    )
