"""OpenAI's completions over the generate task: texts in, their continuations out."""

from collections.abc import Iterator
from typing import Any

from flask import Response, request

from contracts.errors import InvalidRequest
from contracts.generation import TextDelta
from contracts.jobs import Job
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import IDEMPOTENCY_KEY, JOB_HEADERS, PREFER, Answer, Operation
from services.gateway.jobs.view import JobView
from services.gateway.openai.answers import (
    FINISH_REASONS,
    Completion,
    CompletionChoice,
    completion_logprobs,
    completion_logprobs_of,
    completion_usage,
    head_of,
)
from services.gateway.openai.generation import Asked, Chunks, Writer, submission_of
from services.gateway.openai.requests import CompletionRequest, check_common, parameters_of, without_nulls
from services.gateway.streaming.stream_events import outputs_of
from services.gateway.tasks.routes import ENDED_BADLY
from services.gateway.tasks.schemas import check

PREFIX = "cmpl-"


class CompletionRoutes:
    """The view of completions."""

    def __init__(self, bodies: BodyReader, writer: Writer) -> None:
        self._bodies = bodies
        self._writer = writer

    def complete(self, tenant: str) -> Response:
        """Answer the continuations of one or several texts."""
        document = without_nulls(self._bodies.read_json(request))
        _refuse_tokens(document)
        wanted = check(document, CompletionRequest)
        _check(wanted)
        parameters = parameters_of(
            wanted,
            max_new_tokens=wanted.max_tokens,
            best_of=wanted.best_of,
            details=wanted.logprobs is not None,
            top_n_tokens=wanted.logprobs or 0,
        )
        # Always a list, so that the output is one too.
        single = isinstance(wanted.prompt, str)
        names = {"inputs[0]" if single else "inputs": "prompt", "parameters.max_new_tokens": "max_tokens",
                 "parameters.top_n_tokens": "logprobs", "parameters.": ""}  # fmt: skip
        asked = Asked(
            tenant=tenant,
            route="completions",
            wanted=wanted,
            submission=submission_of(wanted, _prompts(wanted), parameters),
            names=names,
            answer=lambda job: _answer(job, wanted),
            dialect=lambda job: _Chunks(job, wanted, names),
        )
        return self._writer.respond(asked)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            Operation(
                method="POST",
                path="/v1/completions",
                view=self.complete,
                tag="OpenAI",
                summary="Continue texts, as OpenAI's API does it",
                description="Texts only: token ids belong to OpenAI's tokenizers. Null counts as not given. With "
                "`stream` the answer is a stream of chunks that ends in `[DONE]`, or early in an item with an `error`.",
                answers={
                    200: Answer("The continuations.", Completion, stream=Completion, headers=JOB_HEADERS),
                    202: Answer("Only with `Prefer`: the job.", JobView, headers=JOB_HEADERS),
                    **ENDED_BADLY,
                },
                body=CompletionRequest,
                parameters=(PREFER, IDEMPOTENCY_KEY),
                example={"model": "MODEL", "prompt": "def add(a, b):", "max_tokens": 32, "temperature": 0},
                errors=(404, 429),
            )
        ]


def _refuse_tokens(document: Any) -> None:
    prompts = document.get("prompt") if isinstance(document, dict) else None
    if isinstance(prompts, list) and prompts and isinstance(prompts[0], int | list):
        raise InvalidRequest("Arrays of token ids are not taken: send the text itself.", param="prompt")


def _check(wanted: CompletionRequest) -> None:
    check_common(wanted)
    if wanted.best_of is not None and wanted.best_of < wanted.n:
        raise InvalidRequest("Expected best_of to be at least n.", param="best_of")
    if wanted.stream and wanted.best_of not in {None, wanted.n}:
        raise InvalidRequest("The best texts are not known while they are written.", param="best_of")
    if wanted.echo and wanted.logprobs is not None:
        raise InvalidRequest("The tokens of the prompt are not told: leave out echo or logprobs.", param="echo")


def _prompts(wanted: CompletionRequest) -> list[str]:
    return [wanted.prompt] if isinstance(wanted.prompt, str) else wanted.prompt


def _answer(job: Job, wanted: CompletionRequest) -> Completion:
    prompts = _prompts(wanted)
    written = [
        (prompts[index] + one.generated_text if wanted.echo else one.generated_text, one)
        for index, generated in enumerate(outputs_of(job))
        for one in generated.sequences or [generated]
    ]
    choices = [
        CompletionChoice(index, text, completion_logprobs_of(one), FINISH_REASONS[one.finish_reason])
        for index, (text, one) in enumerate(written)
    ]
    return Completion(
        **head_of(job, PREFIX), choices=choices, usage=completion_usage(job), system_fingerprint=job.model_revision
    )


class _Chunks(Chunks):
    """The stream of the continuations."""

    def __init__(self, job: Job, wanted: CompletionRequest, names: dict[str, str]) -> None:
        super().__init__(job, wanted, names, kind="text_completion", prefix=PREFIX)
        self._has_logprobs = wanted.logprobs is not None
        self._echoes = _prompts(wanted) if wanted.echo else []
        self._offsets: dict[int, int] = {}

    def choices(self, piece: TextDelta, index: int) -> Iterator[CompletionChoice]:
        """Yield the text, after the prompt if that is asked for, and at the end why it ends."""
        text = piece.text
        if self._echoes and index not in self._offsets:
            text = self._echoes[piece.input] + text
        logprobs = None
        offset = self._offsets.setdefault(index, 0)
        if self._has_logprobs:
            logprobs = completion_logprobs(piece.tokens, piece.top_tokens, offset)
            self._offsets[index] = offset + sum(map(len, logprobs.tokens))
        reason = FINISH_REASONS[piece.finish_reason] if piece.finish_reason else None
        if text or reason or (logprobs and logprobs.tokens):
            yield CompletionChoice(index, text, logprobs, reason)
