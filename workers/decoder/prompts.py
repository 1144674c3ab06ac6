"""Turns the inputs of a request into prompts: renders conversations, tokenizes, truncates. Step 5 on a job's path.

Truncation happens only if the request allows it, and is counted; `workers.runtime.tokenizing.tokenizer` does the same
for encoders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from contracts.errors import InputTooLong, InvalidRequest
from contracts.generation import DEFAULT_NEW_TOKENS, Conversation, GenerateParameters, GenerateRequest
from workers.decoder.chat import ChatTemplate
from workers.runtime.decoding.request import Ids
from workers.runtime.tokenizing.reading import Check, TextReader, Tokens, no_check
from workers.runtime.tokenizing.special_tokens import SpecialTokens
from workers.runtime.tokenizing.tokenizer import shown_count


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

    Raises:
        PackageError: as `SpecialTokens`.
    """

    def __init__(
        self, tokenizer: Tokenizer, template: ChatTemplate | None, *, max_tokens: int, vocab_size: int
    ) -> None:
        self._reader = TextReader(tokenizer)
        self._special = SpecialTokens(tokenizer)
        self._template = template
        self._max_tokens = max_tokens
        self._vocab_size = vocab_size

    @property
    def num_special(self) -> int:
        """Special tokens of a prompt that is a text."""
        return self._special.num_added(1)

    def of(self, request: GenerateRequest, check: Check = no_check) -> list[Prompt]:
        """Return the prompt of each input. ``check`` is called now and then; it raises an exception to stop.

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
            self._prompt(text, tokens, request.parameters)
            for text, tokens in zip(texts, self._read(texts, request.parameters, check), strict=True)
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

    def _read(self, texts: Sequence[_Text], parameters: GenerateParameters, check: Check) -> list[Tokens]:
        """Return the tokens of each text. Texts with and without special tokens have different room."""
        by_index: dict[int, Tokens] = {}
        for is_chat in (False, True):
            batch = {index: text.text for index, text in enumerate(texts) if text.is_chat is is_chat}
            room = self._max_tokens - self._num_special(is_chat) - _min_new_tokens(parameters)
            read = self._reader.read(list(batch.values()), max(1, room), parameters.truncate, check)
            by_index |= dict(zip(batch, read, strict=True))
        return [by_index[index] for index in range(len(texts))]

    def _prompt(self, text: _Text, tokens: Tokens, parameters: GenerateParameters) -> Prompt:
        tokens_in = tokens.num_tokens + self._num_special(text.is_chat)
        ids = tokens.ids
        if tokens_in + _min_new_tokens(parameters) > self._max_tokens:
            room = self._room(text, parameters)
            if parameters.truncate == "error" or room < 1:
                raise self._too_long(text, shown_count(tokens_in, [tokens], self._max_tokens), parameters)
            # Before special tokens are added, so that they are never cut off.
            ids = ids[-room:] if parameters.truncate == "left" else ids[:room]
        token_ids = np.array(ids if text.is_chat else self._special.around(ids)[0], np.int64)
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
        return self._max_tokens - num_new - self._num_special(text.is_chat)

    def _num_special(self, is_chat: bool) -> int:
        return 0 if is_chat else self._special.num_added(1)

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

    def _too_long(self, text: _Text, tokens_in: str, parameters: GenerateParameters) -> InputTooLong:
        asked = parameters.max_new_tokens
        more = f"parameters.max_new_tokens asks for {asked} more" if asked else "at least one more must be generated"
        return InputTooLong(
            f"{text.param} has {tokens_in} tokens and {more}; the model takes {self._max_tokens} together. "
            "Shorten it, or set parameters.truncate to 'right' or 'left'.",
            param=text.param,
        )


def _min_new_tokens(parameters: GenerateParameters) -> int:
    """Return how many tokens there must be room for. Without a maximum, a request gets what the prompt leaves."""
    return parameters.max_new_tokens or 1
