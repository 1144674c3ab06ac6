"""Turns the inputs of a request into prompts: renders conversations, tokenizes, truncates. Step 5 on a job's path.

Truncation happens only if the request allows it, and is counted; `workers.runtime.tokenizing.tokenizer` does the same
for encoders.
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
    """One input in tokens."""

    text: str
    """Before truncation; of a conversation, the output of the chat template."""
    token_ids: Ids
    tokens_in: int
    """Before truncation."""
    max_new_tokens: int


@dataclass(frozen=True)
class _Text:
    """An input as text, before tokenization."""

    param: str
    """The input's path in the request, for errors."""
    text: str
    is_chat: bool
    """Whether the chat template has added the special tokens already."""


class Prompts:
    """Makes the prompts for one model. Safe to use from any thread.

    Args:
        tokenizer: of the package; it neither truncates nor pads.
        template: None for a model that is not made for conversations.
        max_tokens: limit of prompt and generated tokens together.
        vocab_size: number of token ids that the graph knows.
    """

    def __init__(
        self, tokenizer: Tokenizer, template: ChatTemplate | None, *, max_tokens: int, vocab_size: int
    ) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._max_tokens = max_tokens
        self._vocab_size = vocab_size

    def of(self, request: GenerateRequest) -> list[Prompt]:
        """Return the prompt of each input.

        Raises:
            InputTooLong: prompt and generated tokens together exceed the model's limit.
            InvalidRequest: the model can't continue an input, or ``max_new_tokens`` leaves no room for a prompt.
        """
        max_new_tokens = request.parameters.max_new_tokens
        if max_new_tokens is not None and max_new_tokens >= self._max_tokens:
            raise InvalidRequest(
                f"parameters.max_new_tokens is {max_new_tokens}; the model takes {self._max_tokens} tokens, prompt and "
                "generated tokens together.",
                param="parameters.max_new_tokens",
            )
        texts = self._texts(request)
        return [
            self._prompt(text, encoding, request.parameters)
            for text, encoding in zip(texts, self._encode(texts), strict=True)
        ]

    def _texts(self, request: GenerateRequest) -> list[_Text]:
        if isinstance(request.inputs, list):
            return [self._text(one, f"inputs[{index}]") for index, one in enumerate(request.inputs)]
        return [self._text(request.inputs, "inputs")]

    def _text(self, value: str | Conversation, param: str) -> _Text:
        if isinstance(value, str):
            return _Text(param, value, is_chat=False)
        param = f"{param}.messages"
        if self._template is None:
            raise InvalidRequest("This model has no chat template. Send a text as inputs, not messages.", param=param)
        return _Text(param, self._template.render(value, param=param), is_chat=True)

    def _encode(self, texts: Sequence[_Text]) -> list[Encoding]:
        """Return the encoding of each text. Texts are encoded in two batches, with and without special tokens."""
        by_index: dict[int, Encoding] = {}
        for is_chat in (False, True):
            batch = {index: text.text for index, text in enumerate(texts) if text.is_chat is is_chat}
            # "fast": without the character offsets, which nobody needs here.
            encodings = self._tokenizer.encode_batch_fast(list(batch.values()), add_special_tokens=not is_chat)
            by_index |= dict(zip(batch, encodings, strict=True))
        return [by_index[index] for index in range(len(texts))]

    def _prompt(self, text: _Text, encoding: Encoding, parameters: GenerateParameters) -> Prompt:
        tokens_in = len(encoding.ids)
        # A request that sets no maximum gets what the prompt leaves, which must be one token at least.
        min_new_tokens = parameters.max_new_tokens or 1
        if tokens_in + min_new_tokens > self._max_tokens:
            room = self._room(text, parameters)
            if parameters.truncate == "error" or room < 1:
                raise self._too_long(text, tokens_in, parameters)
            encoding = self._truncate(text, room, parameters.truncate)
        token_ids = np.array(encoding.ids, np.int64)
        self._check(text, token_ids)
        room_left = self._max_tokens - len(token_ids)
        max_new_tokens = parameters.max_new_tokens or min(DEFAULT_NEW_TOKENS, room_left)
        return Prompt(text.text, token_ids, tokens_in, max_new_tokens)

    def _room(self, text: _Text, parameters: GenerateParameters) -> int:
        """Return how many tokens a truncated input keeps, not counting special tokens.

        A request without ``max_new_tokens`` leaves room for the default number, or half of the model's limit if that
        is less.
        """
        num_new = parameters.max_new_tokens or min(DEFAULT_NEW_TOKENS, (self._max_tokens + 1) // 2)
        num_special = 0 if text.is_chat else int(self._tokenizer.num_special_tokens_to_add(False))
        return self._max_tokens - num_new - num_special

    def _truncate(self, text: _Text, room: int, direction: Literal["right", "left"]) -> Encoding:
        # Special tokens are added after truncation, so that they are never cut off.
        encoding = self._tokenizer.encode(text.text, add_special_tokens=False)
        encoding.truncate(room, direction=direction)
        return encoding if text.is_chat else self._tokenizer.post_process(encoding)

    def _check(self, text: _Text, token_ids: Ids) -> None:
        """Check that the graph can continue these tokens. A tokenizer can have more tokens than its model's graph."""
        if not len(token_ids):
            raise InvalidRequest(f"{text.param} has no tokens that the model could continue.", param=text.param)
        if token_ids.max() >= self._vocab_size:
            raise InvalidRequest(
                f"{text.param} has a token that the model does not know: number {token_ids.max()} of "
                f"{self._vocab_size}.",
                param=text.param,
            )

    def _too_long(self, text: _Text, tokens_in: int, parameters: GenerateParameters) -> InputTooLong:
        asked = parameters.max_new_tokens
        more = f"parameters.max_new_tokens asks for {asked} more" if asked else "at least one more must be generated"
        return InputTooLong(
            f"{text.param} has {tokens_in} tokens and {more}; the model takes {self._max_tokens} together. "
            "Shorten it, or set parameters.truncate to 'right' or 'left'.",
            param=text.param,
        )
