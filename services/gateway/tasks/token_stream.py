"""The format of streams of tokens, that of Hugging Face's TGI: an item for each token, the whole text with the last.

The text may lag behind the tokens: a character that takes several tokens is released with the last of them, and text
that may be the beginning of a stop text is held back. So the text of an item's token is what that token releases, which
may be nothing. The texts of all items together are the answer, whatever the tokens are by themselves.
"""

from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contracts.errors import TriptychError
from contracts.generation import FinishReason, GenerateParameters, TextDelta, Token
from contracts.tasks.spec import TaskSpec
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.streaming.error_item import encode_error
from services.gateway.streaming.events import Finished
from services.gateway.streaming.response import StreamFormatter


class StreamDetails(msgspec.Struct, frozen=True):
    """How a streamed text ended. Its tokens are in the items before."""

    finish_reason: FinishReason
    generated_tokens: int
    seed: int | None


class StreamItem(msgspec.Struct, frozen=True, kw_only=True):
    """One token of a streamed text. Its text is what the token releases; all of them together are the answer."""

    index: Annotated[int, Meta(description="Counts the tokens from 1.")]
    token: Annotated[Token, Meta(description="`special` is false for a token that releases text which was held back.")]
    top_tokens: list[Token] | UnsetType = UNSET
    generated_text: Annotated[str | None, Meta(description="With the last item: the whole text.")] = None
    details: Annotated[StreamDetails | None, Meta(description="With the last item, if requested.")] = None


def item_types(spec: TaskSpec) -> tuple[type[msgspec.Struct], ...]:
    """Return the types of the items of a task's stream, for the API document."""
    return (StreamItem,)


def open_stream(request: SubmitRequest) -> tuple[SubmitRequest, StreamFormatter]:
    """Return the request to submit and the formatter of its stream."""
    inputs, parameters = request.submission.inputs, request.submission.parameters
    prompt = inputs[0] if isinstance(inputs, list) else inputs
    formatter = _Formatter(parameters, prompt=prompt if parameters.return_full_text else "")
    # With `details` the record has every token, so the tokens of lost events can be sent at the end. The prompt would
    # be in no delta, so the formatter adds it to the whole text.
    submitted = msgspec.structs.replace(parameters, details=True, return_full_text=False)
    return replace(
        request,
        # Both fields are replaced in what is submitted, but still distinguish requests with one Idempotency-Key.
        route=f"{request.route}/stream/{parameters.details}/{parameters.return_full_text}",
        submission=msgspec.structs.replace(request.submission, parameters=submitted),
    ), formatter


class _Formatter:
    """Holds each token back until the next one, since the last item also carries the whole text from the record."""

    def __init__(self, parameters: GenerateParameters, prompt: str) -> None:
        self._has_details = parameters.details
        self._has_top_tokens = parameters.top_n_tokens > 0
        self._prompt = prompt
        self._num_items = 0
        self._text = ""
        self._held: tuple[Token, list[Token]] | None = None

    def format_deltas(self, deltas: list[TextDelta]) -> list[bytes]:
        items: list[bytes] = []
        for delta in deltas:
            self._text += delta.text
            top_tokens = delta.top_tokens or [[]] * len(delta.tokens)
            for token, top in zip(delta.tokens, top_tokens, strict=True):
                items += self._release()
                self._held = token, top
            # Only the token that ends the text has to wait for the record.
            if delta.finish_reason is None:
                items += self._release()
        return items

    def format_end(self, end: Finished) -> list[bytes]:
        items = self.format_deltas(end.deltas)
        (output,) = end.outputs
        found = output.details
        details = StreamDetails(found.finish_reason, found.generated_tokens, found.seed) if found else None
        return items + self._release(self._prompt + output.generated_text, details if self._has_details else None)

    def format_error(self, error: TriptychError) -> bytes:
        return encode_error(error)

    def _release(self, generated_text: str | None = None, details: StreamDetails | None = None) -> list[bytes]:
        if self._held is None:
            return []
        (token, top), self._held = self._held, None
        text, self._text = self._text, ""
        self._num_items += 1
        item = StreamItem(
            index=self._num_items,
            # TGI's clients drop the text of special tokens, so a token that releases text must not be one.
            token=Token(token.id, text, token.logprob, token.special and not text),
            top_tokens=top if self._has_top_tokens else UNSET,
            generated_text=generated_text,
            details=details,
        )
        return [msgspec.json.encode(item)]
