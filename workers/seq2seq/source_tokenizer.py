"""Texts to encoder inputs: adds prompt, language tokens and special tokens, and enforces the model's maximum length.

Step 5 on the path of a job. Truncation is an explicit policy and is counted in the job's usage, as in
`workers.runtime.tokenizing.tokenizer`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from contracts.errors import InputTooLong, InvalidRequest
from contracts.seq2seq import TruncateOrChunk

Ids = npt.NDArray[np.int64]
_BATCH_SIZE = 1024
"""Texts per call of the tokenizer. An `Encoding` takes several kilobytes, and a job may have 20,000 chunks."""


@dataclass(frozen=True)
class Conditioning:
    """What a model gets in addition to the text. Most models with a single task need nothing."""

    prompt: str = ""
    """Put before the text: the task prefix of T5."""
    src_lang_token_id: int | None = None
    """Replaces the language token that the tokenizer adds by default; ``src_lang_position`` says where that one is."""
    src_lang_position: Literal["prefix", "suffix"] = "prefix"
    source_prefix_token_id: int | None = None
    """Target language token that the encoder reads before the text: Marian with several target languages."""
    decoder_start_token_id: int | None = None
    """Target language token that the decoder starts with, in place of the model's start token: mBART-25."""
    forced_bos_token_id: int | None = None
    """Target language token that is forced as the first generated token: NLLB, M2M100, mBART-50."""


@dataclass(frozen=True)
class EncoderInput:
    """One text as the encoder reads it. Both counts include special tokens and prompt."""

    input_ids: Ids
    """int64 [tokens]"""
    tokens_in: int
    """Tokens before truncation."""

    @property
    def tokens_used(self) -> int:
        """Tokens after truncation."""
        return len(self.input_ids)


class SourceTokenizer:
    """Makes the encoder inputs of one model. Safe to use from several threads.

    Args:
        tokenizer: the package's, with neither truncation nor padding enabled.
        max_tokens: longest encoder input.
        vocab_size: ids from here on are unknown to the graph.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self._vocab_size = vocab_size
        self._num_special = int(tokenizer.num_special_tokens_to_add(False))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, without special tokens."""
        return [len(encoding.ids) for encoding in self._encode(texts, add_special_tokens=False)]

    def num_added_tokens(self, conditioning: Conditioning) -> int:
        """Return how many tokens the encoder reads in addition to those of a text."""
        prompt = self.count_tokens([conditioning.prompt])[0] if conditioning.prompt else 0
        return self._num_special + prompt + (conditioning.source_prefix_token_id is not None)

    def max_text_tokens(self, conditioning: Conditioning) -> int:
        """Return how many tokens a text may have to be read whole.

        Raises:
            InvalidRequest: the prompt leaves no room for a text.
        """
        # Where prompt and text meet the tokenizer may split differently and need one token more than for both apart.
        at_seam = 1 if conditioning.prompt else 0
        max_tokens = self.max_tokens - self.num_added_tokens(conditioning) - at_seam
        if max_tokens < 1:
            raise InvalidRequest(
                f"The model reads at most {self.max_tokens} tokens, and its prompt leaves no room for a text."
            )
        return max_tokens

    def encode(
        self, texts: Sequence[str], params: Sequence[str], conditioning: Conditioning, truncate: TruncateOrChunk
    ) -> list[EncoderInput]:
        """Return the encoder input of each text.

        Args:
            texts: whole inputs, or chunks of them.
            params: the request field of each text, for error messages.
            conditioning: prompt and language tokens to add.
            truncate: what to do with a text that is longer than ``max_tokens``. With ``chunk`` it is refused, because
                the texts are chunks already.

        Raises:
            InputTooLong: a text is too long and may not be truncated.
            InvalidRequest: a text has no tokens, or one that the model does not know.
        """
        encodings = self._encode([conditioning.prompt + text for text in texts], add_special_tokens=True)
        return [
            self._encoder_input(text, encoding, param, conditioning, truncate)
            for text, encoding, param in zip(texts, encodings, params, strict=True)
        ]

    def _encode(self, texts: Sequence[str], *, add_special_tokens: bool) -> Iterator[Encoding]:
        for start in range(0, len(texts), _BATCH_SIZE):
            batch = list(texts[start : start + _BATCH_SIZE])
            yield from self._tokenizer.encode_batch_fast(batch, add_special_tokens=add_special_tokens)

    def _encoder_input(
        self, text: str, encoding: Encoding, param: str, conditioning: Conditioning, truncate: TruncateOrChunk
    ) -> EncoderInput:
        tokens_in = len(encoding.ids) + (conditioning.source_prefix_token_id is not None)
        # Normalization may leave nothing of a text, such as one of control characters only.
        if len(encoding.ids) == self._num_special:
            raise InvalidRequest(f"{param} has no tokens that the model could read.", param=param)
        if tokens_in > self.max_tokens:
            if truncate not in ("right", "left"):
                raise self._too_long(param, tokens_in, truncate)
            encoding = self._truncated(text, conditioning, "right" if truncate == "right" else "left")
        input_ids = _with_language_tokens(encoding.ids, conditioning)
        # A tokenizer may have more tokens than the embedding has rows. In the graph that would be an internal error.
        if max(input_ids) >= self._vocab_size:
            message = f"{param} has token {max(input_ids)}; the model knows {self._vocab_size} tokens."
            raise InvalidRequest(message, param=param)
        return EncoderInput(np.array(input_ids, np.int64), tokens_in)

    def _truncated(self, text: str, conditioning: Conditioning, direction: Literal["right", "left"]) -> Encoding:
        # Truncating a finished encoding would cut off the prompt or a special token, so the text is cut first.
        prompt = self._tokenizer.encode(conditioning.prompt, add_special_tokens=False)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(self.max_text_tokens(conditioning), direction=direction)
        # Offsets need not grow, because nothing here reads them.
        merged = Encoding.merge([prompt, encoding], growing_offsets=False) if conditioning.prompt else encoding
        return self._tokenizer.post_process(merged)

    def _too_long(self, param: str, tokens_in: int, truncate: TruncateOrChunk) -> InputTooLong:
        hint = "" if truncate == "chunk" else " Shorten it, or set parameters.truncate to 'right', 'left' or 'chunk'."
        return InputTooLong(f"{param} has {tokens_in} tokens; the model takes {self.max_tokens}.{hint}", param=param)


def _with_language_tokens(ids: list[int], conditioning: Conditioning) -> list[int]:
    # The list may be changed: `Encoding.ids` makes a new one each time.
    if conditioning.src_lang_token_id is not None:
        ids[0 if conditioning.src_lang_position == "prefix" else -1] = conditioning.src_lang_token_id
    prefix = conditioning.source_prefix_token_id
    return ids if prefix is None else [prefix, *ids]
