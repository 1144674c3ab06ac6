"""LibreTranslate's requests and responses."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.generation import MAX_SEQUENCES
from contracts.seq2seq import Language, Texts
from contracts.shapes import Shape
from services.gateway.http.bodies.checking import BodyCheck
from services.gateway.http.validation import check, refuse_blank, without_nulls
from services.gateway.jobs.outputs.answers import MIB, AnswerFormat
from services.gateway.jobs.outputs.packing import unpack
from services.gateway.jobs.outputs.result import outputs_of
from services.gateway.jobs.submission import ModelName
from services.gateway.languages.supported import AUTO


class TranslationRequest(Shape, frozen=True):
    """What LibreTranslate's clients send, as JSON or as a form. Null counts as not given."""

    q: Annotated[Texts, Meta(description="The text, or several.")]
    source: Annotated[Language, Meta(description="The language of the text, or `auto` if only one is possible.")]
    target: Annotated[Language, Meta(description="The language of the translation.")]
    format: Annotated[Literal["text", "html"], Meta(description="`html`: tags stay where they are.")] = "text"
    alternatives: Annotated[
        int, Meta(ge=0, lt=MAX_SEQUENCES, description="How many other translations to return, if there are so many.")
    ] = 0
    api_key: Annotated[str, Meta(description="The API key, for clients that can't send it in a header.")] = ""
    model: Annotated[
        ModelName | None, Meta(description="Not LibreTranslate's. Default: the first that has both languages.")
    ] = None

    @property
    def texts(self) -> list[str]:
        """``q`` as a list."""
        return [self.q] if isinstance(self.q, str) else self.q


def _check_json(document: Any) -> TranslationRequest:
    body = check(without_nulls(document), TranslationRequest)
    refuse_blank("q", body.q)
    return body


def _check_form(fields: Any) -> TranslationRequest:
    # Not strict: in a form numbers are texts.
    body = check(fields, TranslationRequest, strict=False)
    refuse_blank("q", body.q)
    # Forms encode every line break as CR LF, whatever the text had.
    texts = [text.replace("\r\n", "\n") for text in body.texts]
    return msgspec.structs.replace(body, q=texts[0] if isinstance(body.q, str) else texts)


JSON_CHECK = BodyCheck(_check_json, TranslationRequest)
FORM_CHECK = BodyCheck(_check_form, TranslationRequest)


class DetectedLanguage(msgspec.Struct, frozen=True):
    """The language that `auto` stands for. It is the only possible one, hence the confidence."""

    language: str
    confidence: float = 100.0


class Translation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """LibreTranslate's response; for several texts each field is a list."""

    translated_text: str | list[str]
    alternatives: list[str | list[str]] | UnsetType = UNSET
    detected_language: DetectedLanguage | list[DetectedLanguage] | UnsetType = UNSET


class LanguageTargets(msgspec.Struct, frozen=True):
    """A language, and those into which it is translated. It is one of them: then the text stays as it is."""

    code: str
    name: str
    targets: list[str]


class TranslationDetails(msgspec.Struct, frozen=True):
    """What a response depends on besides its job."""

    single: bool
    num_alternatives: int
    detected: str | None
    """The language that `auto` stood for."""


def details_of(body: TranslationRequest, source: str) -> TranslationDetails:
    """Return what the response to a request depends on; ``source`` is the language of its texts."""
    return TranslationDetails(isinstance(body.q, str), body.alternatives, source if body.source == AUTO else None)


def make_translation(packed: bytes) -> bytes:
    """Return the response of a job with a list of texts."""
    job, details = unpack(packed, TranslationDetails)
    rows = [[sequence.text for sequence in output.sequences or [output]] for output in outputs_of(job)]
    # A text that two beams have found is listed once.
    distinct = [list(dict.fromkeys(row))[: details.num_alternatives + 1] for row in rows]
    return msgspec.json.encode(translation(details, distinct))


TRANSLATION = AnswerFormat(make_translation, MIB)


def translation(details: TranslationDetails, rows: list[list[str]]) -> Translation:
    """Return the response to texts. ``rows`` are the translations of each text, the best first."""
    best = [row[0] for row in rows]
    others: list[str | list[str]] = [row[1:] for row in rows]
    detected = [DetectedLanguage(details.detected or "")] * len(rows)
    return Translation(
        translated_text=best[0] if details.single else best,
        alternatives=UNSET if not details.num_alternatives else list(rows[0][1:]) if details.single else others,
        detected_language=UNSET if details.detected is None else detected[0] if details.single else detected,
    )
