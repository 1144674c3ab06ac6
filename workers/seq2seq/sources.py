"""Texts to what the encoder reads: prompt, language tokens, special tokens. Step 5 on the path of a job.

Truncation is a policy that is counted, never silent, as in `workers.runtime.tokenizing.tokenizer`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from contracts.errors import InputTooLong, InvalidRequest

Ids = npt.NDArray[np.int64]
Fit = Literal["error", "right", "left", "chunk"]
_BATCH = 1024
"""Texts that are tokenized in one call: what the library answers takes some kilobytes for each."""


@dataclass(frozen=True)
class Instruction:
    """What a model is told beside the text. Nothing, for most models of one task."""

    prompt: str = ""
    """Before the text, in words."""
    source_token: int | None = None
    """Language of the text; stands where the tokenizer puts the one that it takes for granted, see ``source_place``."""
    source_place: Literal["prefix", "suffix"] = "prefix"
    target_token: int | None = None
    """Language of the answer, before the text."""
    start_token: int | None = None
    """Language of the answer, as the token that the decoder starts with."""
    first_token: int | None = None
    """Language of the answer, as its first token."""


@dataclass(frozen=True)
class Source:
    """One text as the encoder reads it. ``tokens_in`` counts before truncation; all count special tokens and prompt."""

    token_ids: Ids
    tokens_in: int

    @property
    def num_tokens(self) -> int:
        """Tokens that are read."""
        return len(self.token_ids)


class Sources:
    """Makes sources for one model. Safe to use from several threads.

    Args:
        tokenizer: of the package; neither truncates nor pads.
        max_tokens: of one source.
        vocabulary: ids at and above it are unknown to the graph.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, vocabulary: int) -> None:
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self._vocabulary = vocabulary
        self._num_special = int(tokenizer.num_special_tokens_to_add(False))

    def measure(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each of some texts has by itself, special tokens aside."""
        return [len(encoding.ids) for encoding in self._encode(texts, add_special_tokens=False)]

    def overhead(self, instruction: Instruction) -> int:
        """Return how many tokens the encoder reads beside a text."""
        prompt = self.measure([instruction.prompt])[0] if instruction.prompt else 0
        return self._num_special + prompt + (instruction.target_token is not None)

    def room(self, instruction: Instruction) -> int:
        """Return how many tokens a text may have.

        Raises:
            InvalidRequest: none.
        """
        joint = 1 if instruction.prompt else 0  # where prompt and text meet, one token may become two
        room = self.max_tokens - self.overhead(instruction) - joint
        if room < 1:
            raise InvalidRequest(f"The model reads {self.max_tokens} tokens, and its prompt leaves no room for a text.")
        return room

    def of(self, texts: Sequence[str], params: Sequence[str], instruction: Instruction, fit: Fit) -> list[Source]:
        """Return what the encoder reads of each text.

        Args:
            texts: whole inputs, or chunks of them.
            params: where each of them stands in the request.
            instruction: what the model is told beside each.
            fit: what is done with a text that has more tokens than ``max_tokens``; a chunk of such is refused.

        Raises:
            InputTooLong: there is one, and it is not to be cut.
            InvalidRequest: the model can't read a text.
        """
        encodings = self._encode([instruction.prompt + text for text in texts], add_special_tokens=True)
        return [
            self._source(text, encoding, param, instruction, fit)
            for text, encoding, param in zip(texts, encodings, params, strict=True)
        ]

    def _encode(self, texts: Sequence[str], *, add_special_tokens: bool) -> Iterator[Encoding]:
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            yield from self._tokenizer.encode_batch_fast(batch, add_special_tokens=add_special_tokens)

    def _source(self, text: str, encoding: Encoding, param: str, instruction: Instruction, fit: Fit) -> Source:
        extra = 0 if instruction.target_token is None else 1
        tokens_in = len(encoding.ids) + extra
        if len(encoding.ids) == self._num_special:
            raise InvalidRequest(f"{param} has no tokens that the model could read.", param=param)
        if tokens_in > self.max_tokens:
            if fit not in ("right", "left"):
                raise self._too_long(param, tokens_in, fit)
            encoding = self._cut(text, instruction, "right" if fit == "right" else "left")
        ids = self._with_languages(encoding.ids, instruction)
        if max(ids) >= self._vocabulary:
            message = f"{param} has a token that the model does not know: number {max(ids)} of {self._vocabulary}."
            raise InvalidRequest(message, param=param)
        return Source(np.array(ids, np.int64), tokens_in)

    def _cut(self, text: str, instruction: Instruction, direction: Literal["right", "left"]) -> Encoding:
        """Cut before special tokens are added; the prompt stays."""
        prompt = self._tokenizer.encode(instruction.prompt, add_special_tokens=False)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(self.room(instruction), direction=direction)
        whole = Encoding.merge([prompt, encoding], growing_offsets=False) if instruction.prompt else encoding
        return self._tokenizer.post_process(whole)

    @staticmethod
    def _with_languages(ids: list[int], instruction: Instruction) -> list[int]:
        if instruction.source_token is not None:
            ids[0 if instruction.source_place == "prefix" else -1] = instruction.source_token
        return ids if instruction.target_token is None else [instruction.target_token, *ids]

    def _too_long(self, param: str, tokens_in: int, fit: Fit) -> InputTooLong:
        others = "" if fit == "chunk" else " Shorten it, or set parameters.truncate to 'right', 'left' or 'chunk'."
        return InputTooLong(f"{param} has {tokens_in} tokens; the model takes {self.max_tokens}.{others}", param=param)
