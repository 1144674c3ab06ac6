"""LanguageTool's request: the form, and the text that the model reads."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contracts.seq2seq import Language
from services.gateway.http.bodies.checking import BodyCheck
from services.gateway.http.validation import check
from services.gateway.jobs.submission import ModelName
from services.gateway.languages.languagetool.checked_text import parts_of
from services.gateway.languages.languagetool.matches import CATEGORY_ID, RULE_ID

_Ids = Annotated[str, Meta(description="Ids with commas between them.")]


class CheckRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What LanguageTool's clients send as a form. Other fields are accepted and not used."""

    text: Annotated[str | None, Meta(description="The text to check.")] = None
    data: Annotated[
        str | None,
        Meta(description='Instead: JSON, `{"annotation": [{"text": …}, {"markup": …, "interpretAs": …}]}`.'),
    ] = None
    language: Annotated[Language, Meta(description="A code such as `en-US`, or `auto`: the model's own.")]
    disabled_rules: _Ids = ""
    disabled_categories: _Ids = ""
    enabled_rules: Annotated[str, Meta(description=f"With `enabledOnly`; the only rule is {RULE_ID}.")] = ""
    enabled_categories: Annotated[str, Meta(description=f"With `enabledOnly`; the only one is {CATEGORY_ID}.")] = ""
    enabled_only: bool = False
    api_key: Annotated[str, Meta(description="The API key, for clients that can't send it in a header.")] = ""
    model: Annotated[
        ModelName | None, Meta(description="Not LanguageTool's. Default: the first that reads the language.")
    ] = None

    @property
    def rule_is_disabled(self) -> bool:
        """Whether the only rule, or its category, is switched off."""
        disabled = _has(self.disabled_rules, RULE_ID) or _has(self.disabled_categories, CATEGORY_ID)
        enabled = _has(self.enabled_rules, RULE_ID) or _has(self.enabled_categories, CATEGORY_ID)
        return disabled or (self.enabled_only and not enabled)


def _has(ids: str, wanted: str) -> bool:
    # Not split at the commas: megabytes of short ids would hold the event loop, and take 200 MB.
    return f",{wanted}," in f",{ids},"


class TextToCheck(msgspec.Struct, frozen=True):
    """A checked form, and the text that the model reads: without markup."""

    request: CheckRequest
    plain: str


def _check_form(fields: Any) -> TextToCheck:
    # Not strict: in a form `true` and numbers are texts.
    request = check(fields, CheckRequest, strict=False)
    parts = parts_of(request.text, request.data)
    return TextToCheck(request, "".join(plain for _, plain in parts))


CHECK = BodyCheck(_check_form, TextToCheck)
