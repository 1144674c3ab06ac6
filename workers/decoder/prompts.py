"""Inputs to prompts: conversations rendered, texts tokenized, room left for the answer. Step 5 on the path of a job.

Truncation is a policy that is counted, never silent; `workers.runtime.tokenizing.tokenizer` has the same for encoders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tokenizers import Encoding, Tokenizer

from contracts.errors import InputTooLong, InvalidRequest
from contracts.generation import DEFAULT_NEW_TOKENS, Conversation, GenerateParameters, GenerateRequest
from workers.decoder.chat import ChatTemplate
from workers.runtime.decoding.request import Ids


@dataclass(frozen=True)
class Prompt:
    """One input as the model reads it."""

    text: str
    """Before truncation; of a conversation what the chat template made of it."""
    token_ids: Ids
    tokens_in: int
    """Before truncation."""
    max_new_tokens: int


@dataclass(frozen=True)
class _Source:
    """An input on its way to a prompt."""

    param: str
    text: str
    is_chat: bool
    """The chat template has written the special tokens."""


class Prompts:
    """Makes prompts for one model. Safe to use from several threads.

    Args:
        tokenizer: of the package; neither truncates nor pads.
        template: None for a model that is not made for conversations.
        max_tokens: of prompt and answer together.
        vocabulary: ids at and above it are unknown to the graph.
    """

    def __init__(
        self, tokenizer: Tokenizer, template: ChatTemplate | None, *, max_tokens: int, vocabulary: int
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._max_tokens = max_tokens
        self._vocabulary = vocabulary

    def of(self, request: GenerateRequest) -> list[Prompt]:
        """Return the prompt of each input.

        Raises:
            InputTooLong: prompt and answer are more than the model takes.
            InvalidRequest: an input can't be continued by this model, or there is no room for any prompt.
        """
        asked = request.parameters.max_new_tokens
        if asked is not None and asked >= self._max_tokens:
            raise InvalidRequest(
                f"parameters.max_new_tokens is {asked}; the model takes {self._max_tokens} tokens, prompt and answer "
                "together.",
                param="parameters.max_new_tokens",
            )
        sources = self._sources(request)
        return [
            self._prompt(source, encoding, request.parameters)
            for source, encoding in zip(sources, self._encode(sources), strict=True)
        ]

    def _sources(self, request: GenerateRequest) -> list[_Source]:
        if isinstance(request.inputs, list):
            return [self._source(one, f"inputs[{index}]") for index, one in enumerate(request.inputs)]
        return [self._source(request.inputs, "inputs")]

    def _source(self, given: str | Conversation, param: str) -> _Source:
        if isinstance(given, str):
            return _Source(param, given, is_chat=False)
        param = f"{param}.messages"
        if self._template is None:
            raise InvalidRequest("This model has no chat template. Send a text as inputs, not messages.", param=param)
        return _Source(param, self._template.render(given, param=param), is_chat=True)

    def _encode(self, sources: Sequence[_Source]) -> list[Encoding]:
        found: dict[int, Encoding] = {}
        for is_chat in (False, True):
            texts = {index: source.text for index, source in enumerate(sources) if source.is_chat is is_chat}
            encodings = self._tokenizer.encode_batch_fast(list(texts.values()), add_special_tokens=not is_chat)
            found |= dict(zip(texts, encodings, strict=True))
        return [found[index] for index in range(len(sources))]

    def _prompt(self, source: _Source, encoding: Encoding, parameters: GenerateParameters) -> Prompt:
        tokens_in = len(encoding.ids)
        wanted = parameters.max_new_tokens or 1
        if tokens_in + wanted > self._max_tokens:
            room = self._room(source, parameters)
            if parameters.truncate == "error" or room < 1:
                raise self._too_long(source, tokens_in, parameters)
            encoding = self._cut(source, room, parameters.truncate)
        token_ids = np.array(encoding.ids, np.int64)
        if not len(token_ids):
            raise InvalidRequest(f"{source.param} has no tokens that the model could continue.", param=source.param)
        if token_ids.max() >= self._vocabulary:
            raise InvalidRequest(
                f"{source.param} has a token that the model does not know: number {token_ids.max()} of "
                f"{self._vocabulary}.",
                param=source.param,
            )
        left = self._max_tokens - len(token_ids)
        return Prompt(source.text, token_ids, tokens_in, parameters.max_new_tokens or min(DEFAULT_NEW_TOKENS, left))

    def _room(self, source: _Source, parameters: GenerateParameters) -> int:
        """Return how many tokens of an input are kept if it must be cut, special ones aside.

        Where no length is asked for, the answer has room for the default length, or half of all if that is less.
        """
        answer = parameters.max_new_tokens or min(DEFAULT_NEW_TOKENS, (self._max_tokens + 1) // 2)
        special = 0 if source.is_chat else int(self._tokenizer.num_special_tokens_to_add(False))
        return self._max_tokens - answer - special

    def _cut(self, source: _Source, room: int, direction: Literal["right", "left"]) -> Encoding:
        """Cut before special tokens are added."""
        encoding = self._tokenizer.encode(source.text, add_special_tokens=False)
        encoding.truncate(room, direction=direction)
        return encoding if source.is_chat else self._tokenizer.post_process(encoding)

    def _too_long(self, source: _Source, tokens_in: int, parameters: GenerateParameters) -> InputTooLong:
        asked = parameters.max_new_tokens
        answer = f"parameters.max_new_tokens asks for {asked} more" if asked else "the answer needs at least one more"
        return InputTooLong(
            f"{source.param} has {tokens_in} tokens and {answer}; the model takes {self._max_tokens} together. "
            "Shorten it, or set parameters.truncate to 'right' or 'left'.",
            param=source.param,
        )
