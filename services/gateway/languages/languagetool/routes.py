"""LanguageTool's routes over the denoise task, so that its clients, such as those in editors, work unchanged."""

from flask import Response

from services.gateway.http.bodies.form_fields import MEDIA_TYPE as FORM
from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.http.responses import json_response
from services.gateway.jobs.responses import OUTPUT_HEADERS
from services.gateway.jobs.submission import make_submission
from services.gateway.languages.error_format import LANGUAGETOOL
from services.gateway.languages.languagetool.checked_text import parse_checked_text
from services.gateway.languages.languagetool.matches import MAX_MATCHES
from services.gateway.languages.languagetool.requests import CHECK, CheckRequest
from services.gateway.languages.languagetool.responses import CHECKED, CheckDetails, Checked, KnownLanguage, checked
from services.gateway.languages.routes import LanguageRoutes
from services.gateway.languages.supported import languages_read, reader

TASK = "denoise"


class LanguageToolRoutes(LanguageRoutes):
    """Views in LanguageTool's format."""

    api, key_field, error_format = "LanguageTool", "apiKey", LANGUAGETOOL

    def check(self) -> Response:
        """Respond with the corrections of a text."""
        preference = self._preference()
        tenant, found = self._read(CHECK, FORM)
        body = found.request
        card, language = self._models.choose(TASK, body.model, lambda cards: reader(cards, body.language))
        # Editors check empty paragraphs too, which needs no job.
        if body.rule_is_disabled or not found.plain.strip():
            return json_response(checked(parse_checked_text("", None), language, []))
        submission = make_submission(TASK, inputs=found.plain, model=card.name)
        field = "text" if body.data is None else "data"
        names = {"inputs[0]": field, "inputs": field}
        return self._respond(
            tenant,
            body,
            submission,
            preference=preference,
            names=names,
            form=CHECKED,
            details=CheckDetails(body.text, body.data, language),
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
                response=ResponseSpec("The matches.", Checked, headers=OUTPUT_HEADERS),
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
