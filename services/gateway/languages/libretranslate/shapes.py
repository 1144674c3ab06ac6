"""What LibreTranslate's clients send, and what they are answered."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.generation import MAX_SEQUENCES
from contracts.seq2seq import Language, Texts
from contracts.shapes import Shape
from services.gateway.languages.model_choice import AUTO
from services.gateway.tasks.schemas import ModelName


class TranslationRequest(Shape, frozen=True):
    """What LibreTranslate's clients send, as JSON or as a form. Null counts as not given."""

    q: Annotated[Texts, Meta(description="The text, or several.")]
    source: Annotated[Language, Meta(description="The language of the text, or `auto` where there is but one.")]
    target: Annotated[Language, Meta(description="The language of the translation.")]
    format: Annotated[Literal["text", "html"], Meta(description="`html`: tags stay where they are.")] = "text"
    alternatives: Annotated[
        int, Meta(ge=0, lt=MAX_SEQUENCES, description="How many other translations to give, if there are so many.")
    ] = 0
    api_key: Annotated[str, Meta(description="The API key, for clients that can't send it in a header.")] = ""
    model: Annotated[
        ModelName | None, Meta(description="Not LibreTranslate's. Default: the first that has both languages.")
    ] = None

    @property
    def texts(self) -> list[str]:
        """``q`` as a list."""
        return [self.q] if isinstance(self.q, str) else self.q


class DetectedLanguage(msgspec.Struct, frozen=True):
    """The language that `auto` stood for; it is the only one, so it is sure."""

    language: str
    confidence: float = 100.0


class Translation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """LibreTranslate's answer; for several texts each field is a list."""

    translated_text: str | list[str]
    alternatives: list[str | list[str]] | UnsetType = UNSET
    detected_language: DetectedLanguage | list[DetectedLanguage] | UnsetType = UNSET


class LanguageTargets(msgspec.Struct, frozen=True):
    """A language, and those into which it is translated: itself too, for the text as it is."""

    code: str
    name: str
    targets: list[str]


def translation(wanted: TranslationRequest, source: str, rows: list[list[str]]) -> Translation:
    """Return the answer: of each text its translations, the best first. ``source`` is the language that was read."""
    best = [row[0] for row in rows]
    others: list[str | list[str]] = [row[1:] for row in rows]
    detected = [DetectedLanguage(source)] * len(rows)
    single = isinstance(wanted.q, str)
    return Translation(
        translated_text=best[0] if single else best,
        alternatives=UNSET if not wanted.alternatives else list(rows[0][1:]) if single else others,
        detected_language=UNSET if wanted.source != AUTO else detected[0] if single else detected,
    )
