"""What OpenAI's clients send to have text written: their fields, and ours beyond those (their ``extra_body``).

Every field is either honoured or refused by name; null counts as not given, as such clients send it.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contracts.errors import InvalidRequest
from contracts.generation import MAX_MESSAGES, MAX_SEQUENCES, GenerateParameters, Message
from contracts.sampling import MAX_STOPS, Stop
from contracts.shapes import MAX_INPUTS, Shape, Text, Truncate
from services.gateway.tasks.schemas import ModelName

MaxTokens = Annotated[int, Meta(ge=1, le=1_000_000)]
_SEED = 2**63


class StreamOptions(Shape, frozen=True):
    """What a stream has beside the text."""

    include_usage: Annotated[bool, Meta(description="Tell the tokens in an item of its own before the end.")] = False
    include_obfuscation: Annotated[bool, Meta(description="Taken for compatibility, and not used.")] = False


class WritingRequest(Shape, frozen=True, kw_only=True):
    """What both routes have in common."""

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
    user: Annotated[str | None, Meta(description="Taken for compatibility, and not used.")] = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000, description="Not OpenAI's. 0: draw from all tokens.")] = 0
    min_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Not OpenAI's.")] = None
    typical_p: Annotated[Annotated[float, Meta(gt=0, le=1)] | None, Meta(description="Not OpenAI's.")] = None
    repetition_penalty: Annotated[Annotated[float, Meta(gt=0, le=100)] | None, Meta(description="Not OpenAI's.")] = None
    truncate: Truncate = "error"

    @property
    def wants_usage(self) -> bool:
        """Whether a stream tells its usage."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(WritingRequest, frozen=True, kw_only=True):
    """A conversation whose next message the model writes."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: MaxTokens | None = None
    max_tokens: Annotated[MaxTokens | None, Meta(description="The older name of `max_completion_tokens`.")] = None
    logprobs: bool = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20, description="With `logprobs`.")] = 0


class CompletionRequest(WritingRequest, frozen=True, kw_only=True):
    """Texts that the model continues."""

    prompt: Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_INPUTS)]
    max_tokens: MaxTokens = 16
    best_of: Annotated[int, Meta(ge=1, le=MAX_SEQUENCES)] | None = None
    logprobs: Annotated[Annotated[int, Meta(ge=0, le=5)] | None, Meta(description="So many of the likeliest.")] = None
    echo: Annotated[bool, Meta(description="Put the prompt before the text.")] = False


def without_nulls(document: Any) -> Any:
    """Return a parsed body without those fields of objects that are null."""
    if isinstance(document, dict):
        return {name: without_nulls(value) for name, value in document.items() if value is not None}
    if isinstance(document, list):
        return [without_nulls(value) for value in document]
    return document


def check_common(wanted: WritingRequest) -> None:
    """Raise InvalidRequest for fields that contradict each other on both routes."""
    if wanted.stream_options is not None and not wanted.stream:
        raise InvalidRequest("Only for a request with stream.", param="stream_options")


def parameters_of(
    wanted: WritingRequest,
    *,
    max_new_tokens: int | None,
    best_of: int | None = None,
    details: bool = False,
    top_n_tokens: int = 0,
) -> GenerateParameters:
    """Return the fields as the generate task's own. Here a default is OpenAI's, not the package's."""
    draws = wanted.temperature > 0
    return GenerateParameters(
        max_new_tokens=max_new_tokens,
        do_sample=draws,
        temperature=wanted.temperature if draws else None,
        top_k=wanted.top_k if draws else None,
        top_p=wanted.top_p if draws else None,
        min_p=wanted.min_p if draws else None,
        typical_p=wanted.typical_p if draws else None,
        repetition_penalty=wanted.repetition_penalty,
        frequency_penalty=wanted.frequency_penalty,
        presence_penalty=wanted.presence_penalty,
        seed=wanted.seed,
        stop=wanted.stop,
        n=wanted.n,
        best_of=best_of,
        details=details,
        top_n_tokens=top_n_tokens,
        truncate=wanted.truncate,
    )
