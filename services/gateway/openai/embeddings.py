"""OpenAI's embeddings over the embed task."""

import base64
import sys
from array import array
from typing import Any, Literal

import msgspec
from flask import Response, request

from contracts.jobs import Job
from services.gateway.http.body import BodyReader
from services.gateway.http.field_renaming import field_renaming
from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.http.prefer import preference_of
from services.gateway.jobs.result import usage_of
from services.gateway.jobs.submission import TASK_BODIES, Submission, check_submission
from services.gateway.jobs.submitter import SubmitRequest, Submitter
from services.gateway.jobs.synchronous import respond_with_output
from services.gateway.openai.operation import openai_operation
from services.gateway.openai.requests import EMBEDDINGS_CHECK, EmbeddingsRequest
from services.gateway.settings import GatewaySettings


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one text: numbers, or float32 little endian in base64."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingsUsage(msgspec.Struct, frozen=True):
    """Tokens that the model read. Nothing is generated, so both numbers are the same."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's response."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


class EmbeddingRoutes:
    """The view of embeddings."""

    def __init__(self, settings: GatewaySettings, bodies: BodyReader, submitter: Submitter) -> None:
        self._max_wait_s = settings.max_wait_s
        self._bodies = bodies
        self._submitter = submitter

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
            )
            return respond_with_output(self._submitter, submit, preference, lambda job: _embeddings(job, body))

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            openai_operation(
                "/v1/embeddings",
                self.embeddings,
                summary="Turn texts into vectors, as OpenAI's API does it",
                description="Texts only: token ids belong to OpenAI's tokenizers.",
                response=ResponseSpec("The vectors.", Embeddings),
                body=EmbeddingsRequest,
                example={"model": "MODEL", "input": ["The first text.", "The second."]},
            )
        ]


def _submission(body: EmbeddingsRequest) -> Submission:
    """Return the request as one of the embed task. Always a list, so that the job's output is a list too."""
    document = {
        "inputs": [body.input] if isinstance(body.input, str) else body.input,
        "parameters": {"dimensions": body.dimensions},
        "model": body.model,
    }
    return check_submission(document, TASK_BODIES["embed"])


def _embeddings(job: Job, body: EmbeddingsRequest) -> Embeddings:
    vectors: list[Any]
    if body.encoding_format == "base64":
        rows = msgspec.json.decode(job.output or b"[]", type=list[list[float]])
        vectors = [_base64(row) for row in rows]
    else:
        # Vectors stay JSON: decoding and encoding their numbers again would be most of this route's work (decision 5).
        vectors = msgspec.json.decode(job.output or b"[]", type=list[msgspec.Raw])
    num_tokens = usage_of(job).tokens_used
    data = [Embedding(index, vector) for index, vector in enumerate(vectors)]
    return Embeddings(data=data, model=job.model, usage=EmbeddingsUsage(num_tokens, num_tokens))


def _base64(row: list[float]) -> str:
    # The gateway has no numpy; the standard library's array holds float32 too.
    floats = array("f", row)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
