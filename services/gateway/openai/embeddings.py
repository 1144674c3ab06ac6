"""OpenAI's embeddings over the embed task."""

from flask import Response, request

from services.gateway.http.body import BodyReader
from services.gateway.http.field_renaming import field_renaming
from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.http.prefer import preference_of
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.jobs.outputs.synchronous import OutputResponder
from services.gateway.jobs.responses import OUTPUT_HEADERS
from services.gateway.jobs.submission import TASK_BODIES, Submission, check_submission
from services.gateway.openai.operation import openai_operation
from services.gateway.openai.requests import EMBEDDINGS_CHECK, EmbeddingsRequest
from services.gateway.openai.vectors import BASE64, FLOATS, Embeddings, EmbeddingsDetails
from services.gateway.settings import GatewaySettings


class EmbeddingRoutes:
    """The view of embeddings."""

    def __init__(self, settings: GatewaySettings, bodies: BodyReader, outputs: OutputResponder) -> None:
        self._max_wait_s = settings.max_wait_s
        self._bodies = bodies
        self._outputs = outputs

    def embeddings(self, tenant: str) -> Response:
        """Respond with the vectors of texts."""
        preference = preference_of(request, max_wait_s=self._max_wait_s)
        body = self._bodies.read(request, EMBEDDINGS_CHECK)
        single = isinstance(body.input, str)
        with field_renaming({"inputs[0]" if single else "inputs": "input", "inputs": "input", "parameters.": ""}):
            submit = SubmitRequest(
                tenant=tenant,
                route=f"embeddings/{body.encoding_format}",
                submission=_submission(body),
                idempotency_key=request.headers.get("Idempotency-Key"),
                wait_s=preference.wait_s,
                cancels_if_gone=not preference.applied,
                has_times=False,
            )
            is_base64 = body.encoding_format == "base64"
            form = BASE64 if is_base64 else FLOATS
            return self._outputs.respond(submit, preference, form, EmbeddingsDetails(is_base64))

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            openai_operation(
                "/v1/embeddings",
                self.embeddings,
                summary="Turn texts into vectors, as OpenAI's API does it",
                description="Texts only: token ids belong to OpenAI's tokenizers.",
                response=ResponseSpec("The vectors.", Embeddings, headers=OUTPUT_HEADERS),
                body=EmbeddingsRequest,
                example={"model": "MODEL", "input": ["The first text.", "The second."]},
            )
        ]


def _submission(body: EmbeddingsRequest) -> Submission:
    """Return the request as one of the embed task. Always a list, so that the job's output is a list too."""
    document = {
        "inputs": [body.input] if isinstance(body.input, str) else body.input,
        "parameters": {"dimensions": body.dimensions, "truncate": body.truncate},
        "model": body.model,
        "priority": body.priority,
    }
    return check_submission(document, TASK_BODIES["embed"])
