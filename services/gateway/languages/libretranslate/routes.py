"""LibreTranslate's routes over the translate task, so that its clients work unchanged."""

from flask import Response, request

from contracts.generation_parameters import GenerationParameters
from contracts.seq2seq import TranslateParameters
from services.gateway.http.bodies.form_fields import MEDIA_TYPE as FORM
from services.gateway.http.body import JSON
from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.http.responses import json_response
from services.gateway.jobs.responses import OUTPUT_HEADERS
from services.gateway.jobs.submission import Submission, make_submission
from services.gateway.languages.error_format import LIBRETRANSLATE
from services.gateway.languages.libretranslate.messages import (
    FORM_CHECK,
    JSON_CHECK,
    TRANSLATION,
    LanguageTargets,
    Translation,
    TranslationRequest,
    details_of,
    translation,
)
from services.gateway.languages.routes import LanguageRoutes
from services.gateway.languages.supported import check_known, targets_of, translated_languages, translator

TASK = "translate"
_BEAM_SEARCH = "parameters.generate_parameters."
MIN_BEAMS = 4
"""Fewest beams of a search for alternatives: with as few beams as answers the search would be narrow."""


class LibreTranslateRoutes(LanguageRoutes):
    """Views in LibreTranslate's format."""

    api, key_field, error_format = "LibreTranslate", "api_key", LIBRETRANSLATE

    def translate(self) -> Response:
        """Respond with translations."""
        preference = self._preference()
        tenant, body = self._read(FORM_CHECK if request.mimetype == FORM else JSON_CHECK, JSON, FORM)
        if body.source == body.target:
            # LibreTranslate translates every language into itself by leaving the text as it is.
            self._models.choose(TASK, body.model, lambda cards: check_known(cards, body.source, "source"))
            return json_response(translation(details_of(body, body.source), [[text] for text in body.texts]))
        card, source = self._models.choose(TASK, body.model, lambda cards: translator(cards, body.source, body.target))
        single = {"inputs[0]": "q"} if isinstance(body.q, str) else {}
        names = {**single, "inputs": "q", "parameters.src_lang": "source", "parameters.tgt_lang": "target",
                 _BEAM_SEARCH + "num_beams": "alternatives",
                 _BEAM_SEARCH + "num_return_sequences": "alternatives", "parameters.": ""}  # fmt: skip
        return self._respond(
            tenant,
            body,
            _submission(body, card.name, source),
            preference=preference,
            names=names,
            form=TRANSLATION,
            details=details_of(body, source),
        )

    def languages(self) -> Response:
        """Respond with all languages."""
        cards = self._models.models_of(TASK)
        names = translated_languages(cards)
        return json_response([LanguageTargets(code, name, targets_of(cards, code)) for code, name in names.items()])

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            self._task_operation(
                "/translate",
                self.translate,
                summary="Translate texts, as LibreTranslate does it",
                description="JSON, or a form. Languages are not detected: `auto` works if the models translate only "
                "one language into the target. A text in the target's language comes back as it is.",
                response=ResponseSpec("The translations.", Translation, headers=OUTPUT_HEADERS),
                body=TranslationRequest,
                body_types=(JSON, FORM),
                example={"q": "Half past four.", "source": "en", "target": "de"},
            ),
            self._languages_operation(
                "/languages",
                self.languages,
                summary="List the languages that can be translated, and into which",
                kind=list[LanguageTargets],
            ),
        ]


def _submission(body: TranslationRequest, model: str, source: str) -> Submission:
    """Return the request as one of the translate task. Always a list, so that the job's output is a list too."""
    num = body.alternatives + 1
    search = GenerationParameters(num_beams=max(num, MIN_BEAMS), num_return_sequences=num)
    parameters = TranslateParameters(
        src_lang=source,
        tgt_lang=body.target,
        format=body.format,
        generate_parameters=search if body.alternatives else GenerationParameters(),
    )
    return make_submission(TASK, inputs=body.texts, parameters=parameters, model=model)
