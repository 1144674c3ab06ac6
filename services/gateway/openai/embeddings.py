"""OpenAI's embeddings route over the same jobs, so that OpenAI's client libraries work unchanged."""

import base64
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from flask import Response, request

from contracts.errors import InvalidRequest
from contracts.jobs import Job
from services.gateway.http import prefer
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import IDEMPOTENCY_KEY, JOB_HEADERS, PREFER, Answer, Operation
from services.gateway.jobs.outcome import usage_of
from services.gateway.jobs.submit import Ask, Submitter
from services.gateway.jobs.synchronous import answer_whole
from services.gateway.jobs.view import JobView
from services.gateway.settings import GatewaySettings
from services.gateway.tasks.routes import ENDED_BADLY
from services.gateway.tasks.schemas import TASK_BODIES, EmbeddingsRequest, Submission, check, check_submission


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one text: numbers, or float32 little endian in base64."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingsUsage(msgspec.Struct, frozen=True):
    """Tokens that the model read; embeddings have no completion, so both are the same."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's answer."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage


class OpenAIRoutes:
    """Views in OpenAI's shapes."""

    def __init__(self, settings: GatewaySettings, bodies: BodyReader, submitter: Submitter) -> None:
        self._max_wait_s = settings.max_wait_s
        self._bodies = bodies
        self._submitter = submitter

    def embeddings(self, tenant: str) -> Response:
        """Answer embeddings in OpenAI's shape."""
        preference = prefer.of(request, default_wait_s=self._max_wait_s, max_wait_s=self._max_wait_s)
        document = self._bodies.read_json(request)
        _refuse_tokens(document)
        wanted = check(document, EmbeddingsRequest)
        key = request.headers.get("Idempotency-Key")
        with _own_words(wanted):
            ask = Ask(
                tenant, f"embeddings/{wanted.encoding_format}", "embed", _as_embed(wanted), key, preference.wait_s
            )
            return answer_whole(self._submitter, ask, preference, lambda job: _answer(job, wanted))

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            Operation(
                method="POST",
                path="/v1/embeddings",
                view=self.embeddings,
                tag="OpenAI",
                summary="Turn texts into vectors, as OpenAI's API does it",
                description="Texts only: token ids belong to OpenAI's tokenizers.",
                answers={
                    200: Answer("The vectors.", Embeddings),
                    202: Answer("Only with `Prefer`: the job.", JobView, headers=JOB_HEADERS),
                    **ENDED_BADLY,
                },
                body=EmbeddingsRequest,
                parameters=(PREFER, IDEMPOTENCY_KEY),
                example={"model": "MODEL", "input": ["The first text.", "The second."]},
                errors=(404, 429),
            )
        ]


def _refuse_tokens(document: Any) -> None:
    texts = document.get("input") if isinstance(document, dict) else None
    if isinstance(texts, list) and texts and isinstance(texts[0], int | list):
        raise InvalidRequest("Arrays of token ids are not taken: send the text itself.", param="input")


def _as_embed(wanted: EmbeddingsRequest) -> Submission:
    """Return the request as the embed task's own. Always a list, so that the output is one too."""
    document = {
        "inputs": [wanted.input] if isinstance(wanted.input, str) else wanted.input,
        "parameters": {"dimensions": wanted.dimensions},
        "model": wanted.model,
    }
    return check_submission(document, TASK_BODIES["embed"])


@contextmanager
def _own_words(wanted: EmbeddingsRequest) -> Iterator[None]:
    """Let errors about the embed task's fields name the fields of this route."""
    try:
        yield
    except InvalidRequest as error:
        place = (error.param or "").removeprefix("parameters.").replace("inputs", "input")
        error.param = (place.removesuffix("[0]") if isinstance(wanted.input, str) else place) or None
        raise


def _answer(job: Job, wanted: EmbeddingsRequest) -> Embeddings:
    vectors: list[Any]
    if wanted.encoding_format == "base64":
        rows = msgspec.json.decode(job.output or b"[]", type=list[list[float]])
        vectors = [_base64(row) for row in rows]
    else:
        vectors = msgspec.json.decode(job.output or b"[]", type=list[msgspec.Raw])
    used = usage_of(job).tokens_used
    data = [Embedding(index, vector) for index, vector in enumerate(vectors)]
    return Embeddings(data=data, model=job.model, usage=EmbeddingsUsage(used, used))


def _base64(row: list[float]) -> str:
    floats = array("f", row)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
