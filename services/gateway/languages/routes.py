"""What routes have in common whose clients name a language and no model, and may put their key into the body."""

import msgspec
from flask import request

from services.gateway.auth.authentication import Auth
from services.gateway.http import prefer
from services.gateway.http.body import BodyReader
from services.gateway.http.prefer import Preference
from services.gateway.jobs.submit import Ask, Submitter
from services.gateway.languages.model_choice import ModelChoice
from services.gateway.settings import GatewaySettings
from services.gateway.tasks.schemas import Submission


class LanguageRoutes:
    """Base of the views of one dialect over one task."""

    dialect: str
    task: str

    def __init__(
        self, settings: GatewaySettings, *, auth: Auth, bodies: BodyReader, submitter: Submitter, choice: ModelChoice
    ) -> None:
        self._max_wait_s = settings.max_wait_s
        self._auth = auth
        self._bodies = bodies
        self._submitter = submitter
        self._choice = choice

    def _preference(self) -> Preference:
        return prefer.of(request, default_wait_s=self._max_wait_s, max_wait_s=self._max_wait_s)

    def _ask(self, tenant: str, wanted: msgspec.Struct, submission: Submission, preference: Preference) -> Ask:
        """Return what is asked of the task; ``wanted`` is the body, with a field ``api_key``."""
        return Ask(
            tenant=tenant,
            # All fields of the request make it this request, not only those that reach the worker.
            route=f"{self.dialect} {msgspec.json.encode(msgspec.structs.replace(wanted, api_key='')).decode()}",
            task=self.task,
            submission=submission,
            idempotency_key=request.headers.get("Idempotency-Key"),
            wait_s=preference.wait_s,
        )
