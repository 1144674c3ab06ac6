"""The generate route's stream, in the shape of Hugging Face's TGI: one item a token, the whole text with the last.

A text may lag behind its tokens: a character of several tokens is shown when it is whole, and what may become a stop
text is held back. So the text of an item's token is what that token lets show, maybe nothing; the texts of all items
together are the answer, whatever the tokens are by themselves.
"""

from typing import Annotated

import msgspec
from flask import Response
from msgspec import UNSET, Meta, UnsetType

from contracts.errors import InvalidRequest, TriptychError
from contracts.generation import FinishReason, GenerateParameters, TextDelta, Token
from services.gateway.http.prefer import Preference
from services.gateway.jobs.submit import Ask
from services.gateway.streaming.single_text import broke, refuse_several
from services.gateway.streaming.stream_events import Ended
from services.gateway.streaming.stream_response import Teller


class StreamDetails(msgspec.Struct, frozen=True):
    """How a streamed text ended. Its tokens are told already."""

    finish_reason: FinishReason
    generated_tokens: int
    seed: int | None


class StreamItem(msgspec.Struct, frozen=True, kw_only=True):
    """One token of a streamed text. The text of the token is what it lets show; all of them are the answer."""

    index: Annotated[int, Meta(description="Counts the tokens from 1.")]
    token: Annotated[Token, Meta(description="`special` is false for a token with which held back text is shown.")]
    top_tokens: list[Token] | UnsetType = UNSET
    generated_text: Annotated[str | None, Meta(description="With the last item: the whole text.")] = None
    details: Annotated[StreamDetails | None, Meta(description="With the last item, if asked for.")] = None


class GenerateStream:
    """Answers the generate route where `stream` is true."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    def answer(self, ask: Ask, preference: Preference) -> Response:
        """Answer the growing text of a checked request.

        Raises:
            InvalidRequest: the request would have several texts, or one that can't be streamed as it wants it.
        """
        inputs, wanted = ask.submission.inputs, ask.submission.parameters
        _check(inputs, wanted)
        only = inputs[0] if isinstance(inputs, list) else inputs
        dialect = _Dialect(wanted, prompt=only if wanted.return_full_text else "")
        # With its details the record has every token, should one of the events get lost.
        parameters = msgspec.structs.replace(wanted, details=True, return_full_text=False)
        asked = Ask(
            tenant=ask.tenant,
            route=f"{ask.route}/stream/{wanted.details}/{wanted.return_full_text}",
            task=ask.task,
            submission=msgspec.structs.replace(ask.submission, parameters=parameters),
            idempotency_key=ask.idempotency_key,
            wait_s=0.0,
        )
        return self._teller.answer(asked, preference, lambda job: dialect)


def _check(inputs: object, wanted: GenerateParameters) -> None:
    refuse_several(inputs, wanted.n, "parameters.n")
    if wanted.num_sequences > 1:
        raise InvalidRequest("The best text is not known while it is written.", param="parameters.best_of")
    only = inputs[0] if isinstance(inputs, list) else inputs
    if wanted.return_full_text and not isinstance(only, str):
        raise InvalidRequest("A conversation has no one text before it.", param="parameters.return_full_text")


class _Dialect:
    """TGI's stream. The last item waits for the job's end, which tells the whole text."""

    def __init__(self, wanted: GenerateParameters, prompt: str) -> None:
        self._details = wanted.details
        self._has_top = wanted.top_n_tokens > 0
        self._prompt = prompt
        self._index = 0
        self._text = ""
        self._last: tuple[Token, list[Token]] | None = None

    def grown(self, pieces: list[TextDelta]) -> list[bytes]:
        items: list[bytes] = []
        for piece in pieces:
            self._text += piece.text
            tops = piece.top_tokens or [[]] * len(piece.tokens)
            for token, top in zip(piece.tokens, tops, strict=True):
                items += self._released()
                self._last = token, top
            if piece.finish_reason is None:
                items += self._released()
        return items

    def ended(self, end: Ended) -> list[bytes]:
        items = self.grown(end.pieces)
        text = end.outputs[0]
        told = text.details
        details = StreamDetails(told.finish_reason, told.generated_tokens, told.seed) if told else None
        return items + self._released(self._prompt + text.generated_text, details if self._details else None)

    def broke(self, error: TriptychError) -> bytes:
        return broke(error)

    def _released(self, generated_text: str | None = None, details: StreamDetails | None = None) -> list[bytes]:
        if self._last is None:
            return []
        (token, top), self._last = self._last, None
        text, self._text = self._text, ""
        self._index += 1
        item = StreamItem(
            index=self._index,
            # Clients leave out what special tokens say.
            token=Token(token.id, text, token.logprob, token.special and not text),
            top_tokens=top if self._has_top else UNSET,
            generated_text=generated_text,
            details=details,
        )
        return [msgspec.json.encode(item)]
