"""LanguageTool's routes over the denoise task, so that its clients, such as those in editors, work unchanged."""

from typing import Annotated, Any

import msgspec
from flask import Response, request
from msgspec import Meta

from contracts.cards import ModelCard
from contracts.jobs import Job
from contracts.seq2seq import Edit, Language
from services.gateway.http.field_names import own_words
from services.gateway.http.form import MEDIA_TYPE as FORM
from services.gateway.http.operations import IDEMPOTENCY_KEY, JOB_HEADERS, PREFER, Answer, Operation
from services.gateway.jobs.synchronous import answer_whole
from services.gateway.jobs.view import JobView, json_response
from services.gateway.languages.error_format import LANGUAGETOOL
from services.gateway.languages.languagetool.answers import Checked, KnownLanguage, checked
from services.gateway.languages.languagetool.checked_text import CheckedText, read_checked
from services.gateway.languages.languagetool.matches import CATEGORY_ID, MAX_MATCHES, RULE_ID
from services.gateway.languages.model_choice import languages_read, reader
from services.gateway.languages.routes import LanguageRoutes
from services.gateway.streaming.stream_events import outputs_of
from services.gateway.tasks.schemas import TASK_BODIES, ModelName, Submission, check

TASK = "denoise"
_Ids = Annotated[str, Meta(description="Ids with commas between them.")]


class CheckRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What LanguageTool's clients send as a form. What is not named here is taken and not used."""

    text: Annotated[str | None, Meta(description="The text to check.")] = None
    data: Annotated[
        str | None,
        Meta(description='Instead: JSON, `{"annotation": [{"text": …}, {"markup": …, "interpretAs": …}]}`.'),
    ] = None
    language: Annotated[Language, Meta(description="A code such as `en-US`, or `auto`: the model's own.")]
    disabled_rules: _Ids = ""
    disabled_categories: _Ids = ""
    enabled_rules: Annotated[str, Meta(description=f"With `enabledOnly`; the one rule there is: {RULE_ID}.")] = ""
    enabled_categories: Annotated[str, Meta(description=f"With `enabledOnly`; there is {CATEGORY_ID}.")] = ""
    enabled_only: bool = False
    api_key: Annotated[str, Meta(description="The API key, for clients that can't send it in a header.")] = ""
    model: Annotated[
        ModelName | None, Meta(description="Not LanguageTool's. Default: the first that reads the language.")
    ] = None

    @property
    def wants_nothing(self) -> bool:
        """Whether the one rule and its category are switched off."""
        off = RULE_ID in self.disabled_rules.split(",") or CATEGORY_ID in self.disabled_categories.split(",")
        named = RULE_ID in self.enabled_rules.split(",") or CATEGORY_ID in self.enabled_categories.split(",")
        return off or (self.enabled_only and not named)


class LanguageToolRoutes(LanguageRoutes):
    """Views in LanguageTool's shapes."""

    dialect, task = "languagetool", TASK

    def check(self) -> Response:
        """Answer what could be corrected in a text."""
        preference = self._preference()
        fields = self._bodies.read_form(request)
        key = fields.get("apiKey")
        tenant = self._auth.tenant(request, key if isinstance(key, str) else "")
        wanted = check(fields, CheckRequest, strict=False)
        text = read_checked(wanted.text, wanted.data)
        card, language = self._choice.among(wanted.model, lambda cards: reader(cards, wanted.language))
        if wanted.wants_nothing or not text.plain.strip():
            # Editors ask for empty paragraphs too.
            return json_response(checked(text, language, []))
        ask = self._ask(tenant, wanted, _submission(text, card), preference)
        field = "text" if wanted.data is None else "data"
        with own_words({"inputs[0]": field, "inputs": field}):
            return answer_whole(self._submitter, ask, preference, lambda job: checked(text, language, _edits(job)))

    def languages(self) -> Response:
        """Answer all languages."""
        found = languages_read(self._choice.cards())
        return json_response([KnownLanguage(name, code.partition("-")[0], code) for code, name in found.items()])

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            Operation(
                method="POST",
                path="/v2/check",
                view=self.check,
                tag="LanguageTool",
                summary="Check a text, as LanguageTool does it",
                description="A form. There is one rule, the model's, which can be switched off by its id or its "
                f"category. At most {MAX_MATCHES} matches are told. A blank text has none.",
                answers={
                    200: Answer("The matches.", Checked, headers=JOB_HEADERS),
                    202: Answer("Only with `Prefer`: the job.", JobView, headers=JOB_HEADERS),
                },
                body=CheckRequest,
                body_types=(FORM,),
                parameters=(PREFER, IDEMPOTENCY_KEY),
                key_in_body=True,
                example={"text": "Ths sentence hsa typing errors.", "language": "en-US"},
                refusals=LANGUAGETOOL,
            ),
            Operation(
                method="GET",
                path="/v2/languages",
                view=self.languages,
                tag="LanguageTool",
                summary="List the languages in which texts are checked",
                answers={200: Answer("The languages.", list[KnownLanguage])},
                needs_key=False,
            ),
        ]


def _submission(text: CheckedText, card: ModelCard) -> Submission:
    body: Any = TASK_BODIES[TASK]
    found: Submission = body(inputs=text.plain, model=card.name)
    return found


def _edits(job: Job) -> list[Edit]:
    (output,) = outputs_of(job)
    found: list[Edit] = output.edits
    return found
