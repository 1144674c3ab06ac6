"""Requests of OpenAI's clients: their fields, and some of ours that clients send as ``extra_body``.

A field is either honoured or refused by name, so no client relies on one that has no effect. Null counts as not given,
because these clients send it for fields that are not set.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.errors import InvalidRequest
from contracts.generation import MAX_MESSAGES, MAX_SEQUENCES, GenerateParameters, Message
from contracts.jobs import Lane
from contracts.sampling import MAX_STOPS, Stop
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate
from services.gateway.http.bodies.checking import BodyCheck
from services.gateway.http.validation import check, without_nulls
from services.gateway.jobs.submission import ModelName, Priority

MaxTokens = Annotated[int, Meta(ge=1, le=1_000_000)]
_SEED = 2**63


class StreamOptions(Shape, frozen=True):
    """What a stream has besides the text."""

    include_usage: Annotated[bool, Meta(description="Send the usage in an item of its own before the end.")] = False
    include_obfuscation: Annotated[bool, Meta(description="Accepted for compatibility, and not used.")] = False


class GenerationFields(Shape, frozen=True, kw_only=True):
    """The fields that completions and chat completions have in common."""

    model: ModelName
    temperature: Annotated[
        float, Meta(ge=0, le=100, description="0: always the likeliest token; else logits are divided by it.")
    ] = 1.0
    top_p: Annotated[float, Meta(ge=0, le=1)] = 1.0
    n: Annotated[int, Meta(ge=1, le=MAX_SEQUENCES)] = 1
    stop: Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)] = msgspec.field(default_factory=list)
    seed: Annotated[int, Meta(ge=-_SEED, le=_SEED - 1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] = 0.0
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: Annotated[str | None, Meta(description="Accepted for compatibility, and not used.")] = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000, description="Not OpenAI's. 0: draw from all tokens.")] = 0
    min_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Not OpenAI's.")] = None
    typical_p: Annotated[Annotated[float, Meta(gt=0, le=1)] | None, Meta(description="Not OpenAI's.")] = None
    repetition_penalty: Annotated[Annotated[float, Meta(gt=0, le=100)] | None, Meta(description="Not OpenAI's.")] = None
    truncate: Truncate = "error"
    # Not set, and not null: bodies without it must have the same Idempotency-Key's hash as in older versions.
    priority: Annotated[Lane | UnsetType, Meta(description="Not OpenAI's; as in `/v1/jobs`.")] = UNSET

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(GenerationFields, frozen=True, kw_only=True):
    """A conversation whose next message the model generates."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: MaxTokens | None = None
    max_tokens: Annotated[MaxTokens | None, Meta(description="The older name of `max_completion_tokens`.")] = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20, description="With `logprobs`.")] = 0


class CompletionRequest(GenerationFields, frozen=True, kw_only=True):
    """Texts that the model continues."""

    prompt: Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)]
    max_tokens: MaxTokens = 16
    best_of: Annotated[int, Meta(ge=1, le=MAX_SEQUENCES)] | None = None
    logprobs: Annotated[Annotated[int, Meta(ge=0, le=5)] | None, Meta(description="So many of the likeliest.")] = None
    echo: Annotated[bool, Meta(description="Put the prompt before the text.")] = False


class EmbeddingsRequest(Shape, frozen=True, kw_only=True):
    """OpenAI's request for embeddings, for texts. Arrays of token ids belong to OpenAI's tokenizers and are refused."""

    model: ModelName
    input: Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Keep only the first so many.")] = None
    user: Annotated[str | None, Meta(description="Accepted for compatibility, and not used.")] = None
    truncate: Annotated[Truncate, Meta(description="Not OpenAI's.")] = "error"
    priority: Priority = None


def refuse_token_ids(document: Any, field: str) -> None:
    """Raise InvalidRequest if a field of an unchecked body has token ids instead of texts."""
    # Checked before the types: msgspec would only say that it expected a text.
    values = document.get(field) if isinstance(document, dict) else None
    if isinstance(values, list) and values and isinstance(values[0], int | list):
        raise InvalidRequest("Arrays of token ids are not accepted: send the text itself.", param=field)


def _check_chat(document: Any) -> ChatRequest:
    return check(without_nulls(document), ChatRequest)


def _check_completion(document: Any) -> CompletionRequest:
    document = without_nulls(document)
    refuse_token_ids(document, "prompt")
    return check(document, CompletionRequest)


def _check_embeddings(document: Any) -> EmbeddingsRequest:
    refuse_token_ids(document, "input")
    return check(document, EmbeddingsRequest)


CHAT_CHECK = BodyCheck(_check_chat, ChatRequest)
COMPLETION_CHECK = BodyCheck(_check_completion, CompletionRequest)
EMBEDDINGS_CHECK = BodyCheck(_check_embeddings, EmbeddingsRequest)


def check_common(body: GenerationFields) -> None:
    """Raise InvalidRequest for fields that contradict each other on both routes that generate text."""
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest("Only for a request with stream.", param="stream_options")


def parameters_of(
    body: GenerationFields,
    *,
    max_new_tokens: int | None,
    best_of: int | None = None,
    details: bool = False,
    top_n_tokens: int = 0,
) -> GenerateParameters:
    """Return the fields as parameters of the generate task. Defaults are OpenAI's, not those of the model package."""
    # OpenAI's API has no field for greedy decoding: its clients set temperature to 0.
    samples = body.temperature > 0
    return GenerateParameters(
        max_new_tokens=max_new_tokens,
        do_sample=samples,
        temperature=body.temperature if samples else None,
        top_k=body.top_k if samples else None,
        top_p=body.top_p if samples else None,
        min_p=body.min_p if samples else None,
        typical_p=body.typical_p if samples else None,
        repetition_penalty=body.repetition_penalty,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        seed=body.seed,
        stop=body.stop,
        n=body.n,
        best_of=best_of,
        details=details,
        top_n_tokens=top_n_tokens,
        truncate=body.truncate,
    )
