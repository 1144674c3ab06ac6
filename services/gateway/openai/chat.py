"""OpenAI's chat completions over the generate task: a conversation in, its next message out."""

from collections.abc import Iterator

from flask import Response, request

from contracts.errors import InvalidRequest
from contracts.generation import Conversation, TextDelta
from contracts.jobs import Job
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.jobs.responses import OUTPUT_HEADERS
from services.gateway.openai.answers import CHAT, CHAT_PREFIX, ChatDetails
from services.gateway.openai.generation import ChunkFormatter, GenerationCall, GenerationResponder
from services.gateway.openai.operation import openai_operation
from services.gateway.openai.requests import CHAT_CHECK, ChatRequest, check_common, parameters_of
from services.gateway.openai.responses import (
    FINISH_REASONS,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatDelta,
    chat_logprobs,
)


class ChatRoutes:
    """The view of chat completions."""

    def __init__(self, bodies: BodyReader, responder: GenerationResponder) -> None:
        self._bodies = bodies
        self._responder = responder

    def complete(self, tenant: str) -> Response:
        """Respond with the next message of a conversation."""
        body = self._bodies.read(request, CHAT_CHECK)
        limit = _limit_field(body)
        parameters = parameters_of(
            body,
            max_new_tokens=body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens,
            details=body.logprobs,
            top_n_tokens=body.top_logprobs,
        )
        names = {"inputs.messages": "messages", "inputs": "messages", "parameters.max_new_tokens": limit,
                 "parameters.top_n_tokens": "top_logprobs", "parameters.": ""}  # fmt: skip
        call = GenerationCall(
            tenant=tenant,
            route="chat/completions",
            body=body,
            inputs=Conversation(body.messages),
            parameters=parameters,
            names=names,
            form=CHAT,
            details=ChatDetails(body.logprobs),
            formatter_of=lambda job: _Formatter(job, body, names),
        )
        return self._responder.respond(call)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            openai_operation(
                "/v1/chat/completions",
                self.complete,
                summary="Continue a conversation, as OpenAI's API does it",
                description="Null counts as not given. With `stream` the answer is a stream of chunks that ends in "
                "`[DONE]`, or early in an item with an `error`.",
                response=ResponseSpec("The next message.", ChatCompletion, stream=ChatChunk, headers=OUTPUT_HEADERS),
                body=ChatRequest,
                example={"model": "MODEL", "messages": [{"role": "user", "content": "Who is there?"}], "stream": True},
            )
        ]


def _limit_field(body: ChatRequest) -> str:
    """Return the name of the field that limits the tokens. Raise InvalidRequest for fields that contradict another."""
    check_common(body)
    if body.top_logprobs and not body.logprobs:
        raise InvalidRequest("Only for a request with logprobs.", param="top_logprobs")
    if body.max_completion_tokens is None:
        return "max_tokens"
    if body.max_tokens not in {None, body.max_completion_tokens}:
        raise InvalidRequest("Differs from max_completion_tokens: set one of the two.", param="max_tokens")
    return "max_completion_tokens"


class _Formatter(ChunkFormatter):
    def __init__(self, job: Job, body: ChatRequest, names: dict[str, str]) -> None:
        super().__init__(job, body, names, kind="chat.completion.chunk", prefix=CHAT_PREFIX)
        self._has_logprobs = body.logprobs
        self._started: set[int] = set()

    def choices(self, delta: TextDelta, index: int) -> Iterator[ChatChunkChoice]:
        """Yield the role before a message's first text, then the text, and at the end the reason why it ends."""
        if index not in self._started:
            self._started.add(index)
            yield ChatChunkChoice(index, ChatDelta("assistant", ""))
        logprobs = chat_logprobs(delta.tokens, delta.top_tokens) if self._has_logprobs else None
        # A delta may have tokens and no text, such as half of a character: then only logprobs are worth a chunk.
        if delta.text or (logprobs and logprobs.content):
            yield ChatChunkChoice(index, ChatDelta(content=delta.text), logprobs)
        if delta.finish_reason:
            yield ChatChunkChoice(index, ChatDelta(), None, FINISH_REASONS[delta.finish_reason])
