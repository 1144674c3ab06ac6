"""OpenAI's chat completions over the generate task: a conversation in, its next message out."""

from collections.abc import Iterator

from flask import Response, request

from contracts.errors import InvalidRequest
from contracts.generation import Conversation, TextDelta
from contracts.jobs import Job
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import IDEMPOTENCY_KEY, JOB_HEADERS, PREFER, Answer, Operation
from services.gateway.jobs.view import JobView
from services.gateway.openai.answers import (
    FINISH_REASONS,
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatDelta,
    ChatMessage,
    chat_logprobs,
    chat_logprobs_of,
    completion_usage,
    head_of,
)
from services.gateway.openai.generation import Asked, Chunks, Writer, submission_of
from services.gateway.openai.requests import ChatRequest, check_common, parameters_of, without_nulls
from services.gateway.streaming.stream_events import outputs_of
from services.gateway.tasks.routes import ENDED_BADLY
from services.gateway.tasks.schemas import check

PREFIX = "chatcmpl-"


class ChatRoutes:
    """The view of chat completions."""

    def __init__(self, bodies: BodyReader, writer: Writer) -> None:
        self._bodies = bodies
        self._writer = writer

    def complete(self, tenant: str) -> Response:
        """Answer the next message of a conversation."""
        wanted = check(without_nulls(self._bodies.read_json(request)), ChatRequest)
        limit = _limit(wanted)
        parameters = parameters_of(
            wanted,
            max_new_tokens=wanted.max_tokens if wanted.max_completion_tokens is None else wanted.max_completion_tokens,
            details=wanted.logprobs,
            top_n_tokens=wanted.top_logprobs,
        )
        names = {"inputs.messages": "messages", "inputs": "messages", "parameters.max_new_tokens": limit,
                 "parameters.top_n_tokens": "top_logprobs", "parameters.": ""}  # fmt: skip
        asked = Asked(
            tenant=tenant,
            route="chat/completions",
            wanted=wanted,
            submission=submission_of(wanted, Conversation(wanted.messages), parameters),
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
                path="/v1/chat/completions",
                view=self.complete,
                tag="OpenAI",
                summary="Continue a conversation, as OpenAI's API does it",
                description="Null counts as not given. With `stream` the answer is a stream of chunks that ends in "
                "`[DONE]`, or early in an item with an `error`.",
                answers={
                    200: Answer("The next message.", ChatCompletion, stream=ChatChunk, headers=JOB_HEADERS),
                    202: Answer("Only with `Prefer`: the job.", JobView, headers=JOB_HEADERS),
                    **ENDED_BADLY,
                },
                body=ChatRequest,
                parameters=(PREFER, IDEMPOTENCY_KEY),
                example={"model": "MODEL", "messages": [{"role": "user", "content": "Who is there?"}], "stream": True},
                errors=(404, 429),
            )
        ]


def _limit(wanted: ChatRequest) -> str:
    """Return the name under which the request limits its tokens, and refuse what contradicts itself."""
    check_common(wanted)
    if wanted.top_logprobs and not wanted.logprobs:
        raise InvalidRequest("Only for a request with logprobs.", param="top_logprobs")
    if wanted.max_completion_tokens is None:
        return "max_tokens"
    if wanted.max_tokens not in {None, wanted.max_completion_tokens}:
        raise InvalidRequest("Says something else than max_completion_tokens: give one of the two.", param="max_tokens")
    return "max_completion_tokens"


def _answer(job: Job, wanted: ChatRequest) -> ChatCompletion:
    (generated,) = outputs_of(job)
    choices = [
        ChatChoice(
            index,
            ChatMessage(one.generated_text),
            chat_logprobs_of(one) if wanted.logprobs else None,
            FINISH_REASONS[one.finish_reason],
        )
        for index, one in enumerate(generated.sequences or [generated])
    ]
    return ChatCompletion(
        **head_of(job, PREFIX), choices=choices, usage=completion_usage(job), system_fingerprint=job.model_revision
    )


class _Chunks(Chunks):
    """The stream of a conversation's next message."""

    def __init__(self, job: Job, wanted: ChatRequest, names: dict[str, str]) -> None:
        super().__init__(job, wanted, names, kind="chat.completion.chunk", prefix=PREFIX)
        self._has_logprobs = wanted.logprobs
        self._begun: set[int] = set()

    def choices(self, piece: TextDelta, index: int) -> Iterator[ChatChunkChoice]:
        """Yield the role before the first text, the text, and at the end why it ends."""
        if index not in self._begun:
            self._begun.add(index)
            yield ChatChunkChoice(index, ChatDelta("assistant", ""))
        logprobs = chat_logprobs(piece.tokens, piece.top_tokens) if self._has_logprobs else None
        if piece.text or (logprobs and logprobs.content):
            yield ChatChunkChoice(index, ChatDelta(content=piece.text), logprobs)
        if piece.finish_reason:
            yield ChatChunkChoice(index, ChatDelta(), None, FINISH_REASONS[piece.finish_reason])
