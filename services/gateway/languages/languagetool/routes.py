"""LanguageTool's routes over the denoise task, so that its clients, such as those in editors, work unchanged."""

from typing import Annotated

import msgspec
from flask import Response, request
from msgspec import Meta

from contracts.jobs import Job
from contracts.seq2seq import Edit, Language
from services.gateway.http.form import MEDIA_TYPE as FORM
from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.http.responses import json_response
from services.gateway.http.validation import check
from services.gateway.jobs.responses import JOB_HEADERS
from services.gateway.jobs.result import outputs_of
from services.gateway.jobs.submission import ModelName, make_submission
from services.gateway.languages.error_format import LANGUAGETOOL
from services.gateway.languages.languagetool.checked_text import parse_checked_text
from services.gateway.languages.languagetool.matches import CATEGORY_ID, MAX_MATCHES, RULE_ID
from services.gateway.languages.languagetool.responses import Checked, KnownLanguage, checked
from services.gateway.languages.routes import LanguageRoutes
from services.gateway.languages.supported import languages_read, reader

TASK = "denoise"
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
        disabled = RULE_ID in self.disabled_rules.split(",") or CATEGORY_ID in self.disabled_categories.split(",")
        enabled = RULE_ID in self.enabled_rules.split(",") or CATEGORY_ID in self.enabled_categories.split(",")
        return disabled or (self.enabled_only and not enabled)


class LanguageToolRoutes(LanguageRoutes):
    """Views in LanguageTool's format."""

    api, key_field, error_format = "LanguageTool", "apiKey", LANGUAGETOOL

    def check(self) -> Response:
        """Respond with the corrections of a text."""
        preference = self._preference()
        fields = self._bodies.read_form(request)
        tenant = self._tenant(fields)
        # Not strict: in a form `true` and numbers are texts.
        body = check(fields, CheckRequest, strict=False)
        text = parse_checked_text(body.text, body.data)
        card, language = self._models.choose(TASK, body.model, lambda cards: reader(cards, body.language))
        # Editors check empty paragraphs too, which needs no job.
        if body.rule_is_disabled or not text.plain.strip():
            return json_response(checked(text, language, []))
        submission = make_submission(TASK, inputs=text.plain, model=card.name)
        field = "text" if body.data is None else "data"
        names = {"inputs[0]": field, "inputs": field}
        return self._respond(
            tenant,
            body,
            submission,
            preference=preference,
            names=names,
            document_of=lambda job: checked(text, language, _edits(job)),
        )

    def languages(self) -> Response:
        """Respond with all languages."""
        found = languages_read(self._models.models_of(TASK))
        return json_response([KnownLanguage(name, code.partition("-")[0], code) for code, name in found.items()])

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            self._task_operation(
                "/v2/check",
                self.check,
                summary="Check a text, as LanguageTool does it",
                description="A form. There is one rule, the model's, which can be switched off by its id or its "
                f"category. The response has at most {MAX_MATCHES} matches. A blank text has none.",
                response=ResponseSpec("The matches.", Checked, headers=JOB_HEADERS),
                body=CheckRequest,
                body_types=(FORM,),
                example={"text": "Ths sentence hsa typing errors.", "language": "en-US"},
            ),
            self._languages_operation(
                "/v2/languages",
                self.languages,
                summary="List the languages in which texts are checked",
                kind=list[KnownLanguage],
            ),
        ]


def _edits(job: Job) -> list[Edit]:
    (output,) = outputs_of(job)
    edits: list[Edit] = output.edits
    return edits
