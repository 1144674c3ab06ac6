"""LibreTranslate's routes over the translate task, so that its clients work unchanged."""

from typing import Any

import msgspec
from flask import Response, request

from contracts.generation_parameters import GenerationParameters
from contracts.jobs import Job
from contracts.seq2seq import TranslateParameters
from services.gateway.http.body import JSON
from services.gateway.http.field_names import own_words
from services.gateway.http.form import MEDIA_TYPE as FORM
from services.gateway.http.operations import IDEMPOTENCY_KEY, JOB_HEADERS, PREFER, Answer, Operation
from services.gateway.jobs.synchronous import answer_whole
from services.gateway.jobs.view import JobView, json_response
from services.gateway.languages.error_format import LIBRETRANSLATE
from services.gateway.languages.libretranslate.shapes import (
    LanguageTargets,
    Translation,
    TranslationRequest,
    translation,
)
from services.gateway.languages.model_choice import check_known, targets_of, translated_languages, translator
from services.gateway.languages.routes import LanguageRoutes
from services.gateway.openai.requests import without_nulls
from services.gateway.streaming.stream_events import outputs_of
from services.gateway.tasks.schemas import TASK_BODIES, Submission, check, refuse_blank

TASK = "translate"
_SEARCH = "parameters.generate_parameters."
NUM_BEAMS = 4
"""Fewest beams of a search for alternatives: as many as are wanted would be a narrow search for few."""


class LibreTranslateRoutes(LanguageRoutes):
    """Views in LibreTranslate's shapes."""

    dialect, task = "libretranslate", TASK

    def translate(self) -> Response:
        """Answer translations."""
        preference = self._preference()
        document = without_nulls(self._bodies.read_json_or_form(request))
        tenant = self._auth.tenant(request, _key(document))
        wanted = _checked(document)
        if wanted.source == wanted.target:
            # As LibreTranslate has it: every language is translated into itself.
            self._choice.among(wanted.model, lambda cards: check_known(cards, wanted.source, "source"))
            return json_response(translation(wanted, wanted.source, [[text] for text in wanted.texts]))
        card, source = self._choice.among(wanted.model, lambda cards: translator(cards, wanted.source, wanted.target))
        ask = self._ask(tenant, wanted, _submission(wanted, card.name, source), preference)
        names = {"inputs[0]" if isinstance(wanted.q, str) else "inputs": "q", "parameters.src_lang": "source",
                 "parameters.tgt_lang": "target", _SEARCH + "num_beams": "alternatives",
                 _SEARCH + "num_return_sequences": "alternatives", "parameters.": ""}  # fmt: skip
        with own_words(names):
            return answer_whole(
                self._submitter, ask, preference, lambda job: translation(wanted, source, _written(job, wanted))
            )

    def languages(self) -> Response:
        """Answer all languages."""
        cards = self._choice.cards()
        found = translated_languages(cards)
        return json_response([LanguageTargets(code, name, targets_of(cards, code)) for code, name in found.items()])

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            Operation(
                method="POST",
                path="/translate",
                view=self.translate,
                tag="LibreTranslate",
                summary="Translate texts, as LibreTranslate does it",
                description="JSON, or a form. Languages are not detected: `auto` is for where all texts that are "
                "translated into the target are of one language. A text in the target's language comes back as it is.",
                answers={
                    200: Answer("The translations.", Translation, headers=JOB_HEADERS),
                    202: Answer("Only with `Prefer`: the job.", JobView, headers=JOB_HEADERS),
                },
                body=TranslationRequest,
                body_types=(JSON, FORM),
                parameters=(PREFER, IDEMPOTENCY_KEY),
                key_in_body=True,
                example={"q": "Half past four.", "source": "en", "target": "de"},
                refusals=LIBRETRANSLATE,
            ),
            Operation(
                method="GET",
                path="/languages",
                view=self.languages,
                tag="LibreTranslate",
                summary="List the languages that can be translated, and into which",
                answers={200: Answer("The languages.", list[LanguageTargets])},
                needs_key=False,
            ),
        ]


def _key(document: Any) -> str:
    key = document.get("api_key") if isinstance(document, dict) else None
    return key if isinstance(key, str) else ""


def _checked(document: Any) -> TranslationRequest:
    is_form = request.mimetype == FORM
    wanted = check(document, TranslationRequest, strict=not is_form)
    refuse_blank("q", wanted.q)
    if not is_form:
        return wanted
    # What a form's text has for line breaks is the form's, not the text's.
    texts = [text.replace("\r\n", "\n") for text in wanted.texts]
    return msgspec.structs.replace(wanted, q=texts[0] if isinstance(wanted.q, str) else texts)


def _submission(wanted: TranslationRequest, model: str, source: str) -> Submission:
    """Return the translate task's submission, of values that are checked. Always a list, so that the output is one."""
    num = wanted.alternatives + 1
    search = GenerationParameters(num_beams=max(num, NUM_BEAMS), num_return_sequences=num)
    parameters = TranslateParameters(
        src_lang=source,
        tgt_lang=wanted.target,
        format=wanted.format,
        generate_parameters=search if wanted.alternatives else GenerationParameters(),
    )
    body: Any = TASK_BODIES[TASK]
    found: Submission = body(inputs=wanted.texts, parameters=parameters, model=model)
    return found


def _written(job: Job, wanted: TranslationRequest) -> list[list[str]]:
    """Return the translations of each text, the best first and none twice."""
    rows = [[one.text for one in output.sequences or [output]] for output in outputs_of(job)]
    return [list(dict.fromkeys(row))[: wanted.alternatives + 1] for row in rows]
