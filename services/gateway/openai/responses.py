"""OpenAI's responses of chat completions and completions: their types, and how tokens and usage are put into them."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from contracts.generation import FinishReason as OwnReason
from contracts.generation import GeneratedSequence, Token
from contracts.jobs import Job
from services.gateway.jobs.outputs.result import usage_of

FinishReason = Literal["stop", "length"]
FINISH_REASONS: dict[OwnReason, FinishReason] = {"length": "length", "eos_token": "stop", "stop_sequence": "stop"}


class CompletionUsage(msgspec.Struct, frozen=True):
    """Tokens that the model read and generated."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


def completion_usage(job: Job) -> CompletionUsage:
    """Return a succeeded job's tokens as OpenAI counts them."""
    usage = usage_of(job)
    return CompletionUsage(usage.tokens_used, usage.tokens_out, usage.tokens_used + usage.tokens_out)


def head_of(job: Job, prefix: str) -> dict[str, Any]:
    """Return the first fields of every response and of every chunk of a stream."""
    return {"id": prefix + job.id, "created": int(job.created_at), "model": job.model}


class TopLogprob(msgspec.Struct, frozen=True, gc=False):
    """A likely token. ``bytes`` is its text in UTF-8."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(msgspec.Struct, frozen=True, gc=False):
    """A token of the message, and the likeliest ones at its position."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """The tokens of a message, without the special ones."""

    content: list[TokenLogprob]


class ChatMessage(msgspec.Struct, frozen=True):
    """The message that the model generated."""

    content: str
    role: Literal["assistant"] = "assistant"
    refusal: None = None


class ChatChoice(msgspec.Struct, frozen=True):
    """One of the answers."""

    index: int
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's response."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: CompletionUsage
    system_fingerprint: str | None


class ChatDelta(msgspec.Struct, frozen=True):
    """New text of a message."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChatChunkChoice(msgspec.Struct, frozen=True):
    """New text of one of the answers."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None


class ChatChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a stream. With `include_usage` the last one before the end has the usage and no choices."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: CompletionUsage | UnsetType | None = UNSET


class CompletionLogprobs(msgspec.Struct, frozen=True):
    """The tokens of a text, without the special ones; ``text_offset`` counts the characters of the tokens before."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionChoice(msgspec.Struct, frozen=True):
    """One of the continuations; in a stream, new text of it."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason | None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's response, or one item of a stream. With `include_usage` the last item has the usage and no choices."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


def chat_logprobs_of(sequence: GeneratedSequence) -> ChatLogprobs:
    """Return the tokens of a sequence that was requested with details."""
    details = sequence.details
    return chat_logprobs(details.tokens, details.top_tokens) if details else ChatLogprobs([])


def chat_logprobs(tokens: list[Token], tops: list[list[Token]]) -> ChatLogprobs:
    """Return tokens in the format of chat completions; ``tops`` has a list for each token, or is empty."""
    # OpenAI's lists have no special tokens such as the one that ends the text.
    pairs = zip(tokens, tops or [[]] * len(tokens), strict=True)
    return ChatLogprobs(
        [
            TokenLogprob(token.text, token.logprob, list(token.text.encode()), [_top(one) for one in top])
            for token, top in pairs
            if not token.special
        ]
    )


def _top(token: Token) -> TopLogprob:
    return TopLogprob(token.text, token.logprob, list(token.text.encode()))


def completion_logprobs_of(sequence: GeneratedSequence) -> CompletionLogprobs | None:
    """Return the tokens of a sequence, or None if it was requested without details."""
    details = sequence.details
    return completion_logprobs(details.tokens, details.top_tokens, 0) if details else None


def completion_logprobs(tokens: list[Token], tops: list[list[Token]], offset: int) -> CompletionLogprobs:
    """Return tokens in the format of completions; ``tops`` as in ``chat_logprobs``, ``offset`` is the first token's."""
    found = CompletionLogprobs([], [], [], [])
    for token, top in zip(tokens, tops or [[]] * len(tokens), strict=True):
        if not token.special:
            found.tokens.append(token.text)
            found.token_logprobs.append(token.logprob)
            # OpenAI's API adds the generated token to the likeliest ones, if it is not among them.
            found.top_logprobs.append({one.text: one.logprob for one in (*top, token)})
            found.text_offset.append(offset)
            offset += len(token.text)
    return found
