"""Texts to encoder inputs: adds prompt, language tokens and special tokens, and enforces the model's maximum length.

Step 5 on the path of a job. Truncation is an explicit policy and is counted in the job's usage, as in
`workers.runtime.tokenizing.tokenizer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from contracts.errors import InputTooLong, InvalidRequest
from contracts.seq2seq import TruncateOrChunk
from workers.runtime.tokenizing.reading import Check, Side, TextReader, Tokens, no_check
from workers.runtime.tokenizing.special_tokens import SpecialTokens
from workers.runtime.tokenizing.tokenizer import shown_count

Ids = npt.NDArray[np.int64]


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


@dataclass(frozen=True)
class _Policy:
    """How the texts of a job are read."""

    conditioning: Conditioning
    truncate: TruncateOrChunk
    check: Check

    @property
    def side(self) -> Side:
        return "error" if self.truncate == "chunk" else self.truncate


class SourceTokenizer:
    """Makes the encoder inputs of one model. Safe to use from several threads.

    Args:
        tokenizer: the package's, with neither truncation nor padding enabled.
        max_tokens: longest encoder input.
        vocab_size: ids from here on are unknown to the graph.

    Raises:
        PackageError: as `SpecialTokens`.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, vocab_size: int) -> None:
        self._reader = TextReader(tokenizer)
        self._special = SpecialTokens(tokenizer)
        self.max_tokens = max_tokens
        self._vocab_size = vocab_size

    def count_tokens(self, texts: Sequence[str], check: Check = no_check) -> list[int]:
        """Return the number of tokens of each text, without special tokens; ``check`` may raise an error to stop."""
        return self._reader.count(texts, check)

    def num_added_tokens(self, conditioning: Conditioning) -> int:
        """Return how many tokens the encoder reads in addition to those of a text."""
        prompt = self.count_tokens([conditioning.prompt])[0] if conditioning.prompt else 0
        return prompt + self._num_around(conditioning)

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
        self,
        texts: Sequence[str],
        params: Sequence[str],
        conditioning: Conditioning,
        truncate: TruncateOrChunk,
        check: Check = no_check,
    ) -> list[EncoderInput]:
        """Return the encoder input of each text.

        Args:
            texts: whole inputs, or chunks of them.
            params: the request field of each text, for error messages.
            conditioning: prompt and language tokens to add.
            truncate: what to do with a text that is longer than ``max_tokens``. With ``chunk`` it is refused, because
                the texts are chunks already.
            check: called now and then; raises an exception to stop.

        Raises:
            InputTooLong: a text is too long and may not be truncated.
            InvalidRequest: a text has no tokens, or one that the model does not know.
        """
        policy = _Policy(conditioning, truncate, check)
        room = max(1, self.max_tokens - self._num_around(conditioning))
        read = self._reader.read([conditioning.prompt + text for text in texts], room, policy.side, check)
        return [
            self._encoder_input(text, tokens, param, policy)
            for text, tokens, param in zip(texts, read, params, strict=True)
        ]

    def _encoder_input(self, text: str, tokens: Tokens, param: str, policy: _Policy) -> EncoderInput:
        conditioning = policy.conditioning
        tokens_in = tokens.num_tokens + self._num_around(conditioning)
        # Normalization may leave nothing of a text, such as one of control characters only.
        if not tokens.num_tokens:
            raise InvalidRequest(f"{param} has no tokens that the model could read.", param=param)
        ids = tokens.ids
        if tokens_in > self.max_tokens:
            if policy.side == "error":
                raise self._too_long(param, shown_count(tokens_in, [tokens], self.max_tokens), policy.truncate)
            ids = self._truncated(text, tokens, policy)
        input_ids = _with_language_tokens(self._special.around(ids)[0], conditioning)
        # A tokenizer may have more tokens than the embedding has rows. In the graph that would be an internal error.
        if max(input_ids) >= self._vocab_size:
            message = f"{param} has token {max(input_ids)}; the model knows {self._vocab_size} tokens."
            raise InvalidRequest(message, param=param)
        return EncoderInput(np.array(input_ids, np.int64), tokens_in)

    def _truncated(self, text: str, tokens: Tokens, policy: _Policy) -> list[int]:
        """Return the prompt and what is kept of the text. The text is cut alone, so that the prompt stays whole."""
        prompt_text = policy.conditioning.prompt
        room = self.max_text_tokens(policy.conditioning)
        if not prompt_text:
            return tokens.ids  # as many as there is room for
        (prompt,) = self._reader.read([prompt_text], self.max_tokens, "right")
        (kept,) = self._reader.read([text], room, policy.side, policy.check)
        return prompt.ids + kept.ids

    def _num_around(self, conditioning: Conditioning) -> int:
        """Return how many special tokens and language tokens are put around prompt and text."""
        return self._special.num_added(1) + (conditioning.source_prefix_token_id is not None)

    def _too_long(self, param: str, tokens_in: str, truncate: TruncateOrChunk) -> InputTooLong:
        hint = "" if truncate == "chunk" else " Shorten it, or set parameters.truncate to 'right', 'left' or 'chunk'."
        return InputTooLong(f"{param} has {tokens_in} tokens; the model takes {self.max_tokens}.{hint}", param=param)


def _with_language_tokens(ids: list[int], conditioning: Conditioning) -> list[int]:
    # The list may be changed: `SpecialTokens.around` makes a new one each time.
    if conditioning.src_lang_token_id is not None:
        ids[0 if conditioning.src_lang_position == "prefix" else -1] = conditioning.src_lang_token_id
    prefix = conditioning.source_prefix_token_id
    return ids if prefix is None else [prefix, *ids]
