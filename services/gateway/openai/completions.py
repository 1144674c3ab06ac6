"""OpenAI's completions over the generate task: texts in, their continuations out."""

from collections.abc import Iterator

from flask import Response, request

from contracts.errors import InvalidRequest
from contracts.generation import TextDelta
from contracts.jobs import Job
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.jobs.responses import OUTPUT_HEADERS
from services.gateway.openai.answers import COMPLETION, COMPLETION_PREFIX, CompletionDetails
from services.gateway.openai.generation import ChunkFormatter, GenerationCall, GenerationResponder
from services.gateway.openai.operation import openai_operation
from services.gateway.openai.requests import COMPLETION_CHECK, CompletionRequest, check_common, parameters_of
from services.gateway.openai.responses import (
    FINISH_REASONS,
    Completion,
    CompletionChoice,
    completion_logprobs,
)


class CompletionRoutes:
    """The view of completions."""

    def __init__(self, bodies: BodyReader, responder: GenerationResponder) -> None:
        self._bodies = bodies
        self._responder = responder

    def complete(self, tenant: str) -> Response:
        """Respond with the continuations of one or several texts."""
        body = self._bodies.read(request, COMPLETION_CHECK)
        _check(body)
        parameters = parameters_of(
            body,
            max_new_tokens=body.max_tokens,
            best_of=body.best_of,
            details=body.logprobs is not None,
            top_n_tokens=body.logprobs or 0,
        )
        single = isinstance(body.prompt, str)
        names = {
            **({"inputs[0]": "prompt"} if single else {}),
            "inputs": "prompt",
            "parameters.max_new_tokens": "max_tokens",
            "parameters.top_n_tokens": "logprobs",
            "parameters.": "",
        }
        call = GenerationCall(
            tenant=tenant,
            route="completions",
            body=body,
            inputs=_prompts(body),
            parameters=parameters,
            names=names,
            form=COMPLETION,
            details=CompletionDetails(_prompts(body) if body.echo else []),
            formatter_of=lambda job: _Formatter(job, body, names),
        )
        return self._responder.respond(call)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            openai_operation(
                "/v1/completions",
                self.complete,
                summary="Continue texts, as OpenAI's API does it",
                description="Texts only: token ids belong to OpenAI's tokenizers. Null counts as not given. With "
                "`stream` the answer is a stream of chunks that ends in `[DONE]`, or early in an item with an `error`.",
                response=ResponseSpec("The continuations.", Completion, stream=Completion, headers=OUTPUT_HEADERS),
                body=CompletionRequest,
                example={"model": "MODEL", "prompt": "def add(a, b):", "max_tokens": 32, "temperature": 0},
            )
        ]


def _check(body: CompletionRequest) -> None:
    check_common(body)
    if body.best_of is not None and body.best_of < body.n:
        raise InvalidRequest("Expected best_of to be at least n.", param="best_of")
    if body.stream and body.best_of not in {None, body.n}:
        raise InvalidRequest("The best texts are known only when all are finished.", param="best_of")
    if body.echo and body.logprobs is not None:
        raise InvalidRequest("Tokens of the prompt have no logprobs here: leave out echo or logprobs.", param="echo")


def _prompts(body: CompletionRequest) -> list[str]:
    """Return the prompts. Always a list, so that the job's output is a list too."""
    return [body.prompt] if isinstance(body.prompt, str) else body.prompt


class _Formatter(ChunkFormatter):
    def __init__(self, job: Job, body: CompletionRequest, names: dict[str, str]) -> None:
        super().__init__(job, body, names, kind="text_completion", prefix=COMPLETION_PREFIX)
        self._has_logprobs = body.logprobs is not None
        self._echoed = _prompts(body) if body.echo else []
        self._offsets: dict[int, int] = {}

    def choices(self, delta: TextDelta, index: int) -> Iterator[CompletionChoice]:
        """Yield the text, the first with the prompt before it if that is requested, and the reason why it ends."""
        text = delta.text
        if self._echoed and index not in self._offsets:
            text = self._echoed[delta.input] + text
        logprobs = None
        # This also marks the text as begun, so that the prompt is sent only once.
        offset = self._offsets.setdefault(index, 0)
        if self._has_logprobs:
            logprobs = completion_logprobs(delta.tokens, delta.top_tokens, offset)
            self._offsets[index] = offset + sum(map(len, logprobs.tokens))
        reason = FINISH_REASONS[delta.finish_reason] if delta.finish_reason else None
        if text or reason or (logprobs and logprobs.tokens):
            yield CompletionChoice(index, text, logprobs, reason)
