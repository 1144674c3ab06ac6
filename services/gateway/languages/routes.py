"""What the routes of both APIs have in common: clients that name a language, and may send their key in the body."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import msgspec
from flask import Response, request

from services.gateway.auth.authentication import Authenticator
from services.gateway.http.bodies.checking import BodyCheck
from services.gateway.http.body import BodyReader
from services.gateway.http.field_renaming import field_renaming
from services.gateway.http.operations import IDEMPOTENCY_KEY, PREFER, ErrorFormat, Operation, ResponseSpec
from services.gateway.http.prefer import Preference, preference_of
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.jobs.outputs.answers import AnswerFormat
from services.gateway.jobs.outputs.synchronous import OutputResponder
from services.gateway.jobs.responses import JOB_IF_PREFERRED
from services.gateway.jobs.submission import Submission
from services.gateway.models.selection import ModelSelector
from services.gateway.settings import GatewaySettings

B = TypeVar("B")


class LanguageRoutes:
    """Base of the views of one API over one task."""

    api: Literal["LibreTranslate", "LanguageTool"]
    key_field: str
    error_format: ErrorFormat

    def __init__(
        self, settings: GatewaySettings, *, auth: Authenticator, bodies: BodyReader, outputs: OutputResponder,
        models: ModelSelector,
    ) -> None:  # fmt: skip
        self._max_wait_s = settings.max_wait_s
        self._auth = auth
        self._bodies = bodies
        self._outputs = outputs
        self._models = models

    def _preference(self) -> Preference:
        return preference_of(request, max_wait_s=self._max_wait_s)

    def _read(self, check: BodyCheck[B], *media_types: str) -> tuple[str, B]:
        """Return the tenant and the checked body. A body that has the key must be short, see ``read_keyless``."""
        tenant = self._auth.tenant_by_header(request)
        if tenant is not None:
            return tenant, self._bodies.read(request, check, *media_types)
        document = self._bodies.read_keyless(request, *media_types)
        # Before the check, so that errors about fields and models reach only clients with a key.
        key = document.get(self.key_field) if isinstance(document, dict) else None
        return self._auth.tenant(request, key if isinstance(key, str) else ""), check(document)

    def _respond(
        self,
        tenant: str,
        body: msgspec.Struct,
        submission: Submission,
        *,
        preference: Preference,
        names: Mapping[str, str],
        form: AnswerFormat,
        details: msgspec.Struct,
    ) -> Response:
        """Submit a job and respond with what ``form`` makes of it and of ``details``.

        ``body`` is the parsed body and has a field ``api_key``; ``names`` are this route's, for ``field_renaming``.
        """
        submit = SubmitRequest(
            tenant=tenant,
            # All fields of the body distinguish requests with one Idempotency-Key, also those that reach no worker. The
            # API key is the exception: a client may replace it between two tries.
            route=self.api.lower(),
            body=msgspec.structs.replace(body, api_key=""),
            submission=submission,
            idempotency_key=request.headers.get("Idempotency-Key"),
            wait_s=preference.wait_s,
            cancels_if_gone=not preference.applied,
            has_times=False,
            has_priority=False,
        )
        with field_renaming(names):
            return self._outputs.respond(submit, preference, form, details)

    def _task_operation(
        self,
        path: str,
        view: Callable[..., Response],
        *,
        summary: str,
        description: str,
        response: ResponseSpec,
        body: Any,
        body_types: tuple[str, ...],
        example: Mapping[str, Any],
    ) -> Operation:
        return Operation(
            method="POST",
            path=path,
            view=view,
            tag=self.api,
            summary=summary,
            description=description,
            responses={200: response, **JOB_IF_PREFERRED},
            body=body,
            body_types=body_types,
            parameters=(PREFER, IDEMPOTENCY_KEY),
            key_in_body=True,
            example=example,
            error_format=self.error_format,
        )

    def _languages_operation(self, path: str, view: Callable[[], Response], *, summary: str, kind: Any) -> Operation:
        """Return the entry of a list of languages. It needs no key, since those APIs' clients send none."""
        responses = {200: ResponseSpec("The languages.", kind)}
        return Operation("GET", path, view, self.api, summary, responses, needs_key=False)
