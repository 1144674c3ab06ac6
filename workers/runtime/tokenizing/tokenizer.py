"""Texts to token ids. Truncation is requested by the client and counted in the usage. Step 5 on the path of a job."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import Encoding

from contracts.errors import InputTooLong, InvalidRequest
from contracts.model_package.package import PackageError
from contracts.shapes import TextPair
from workers.runtime.tokenizing.probing import check_tokenizer
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

Truncate = Literal["error", "right", "left"]
Ids = npt.NDArray[np.int64]


class TokenRow(msgspec.Struct, frozen=True):
    """One text, or one pair of texts, as the model reads it."""

    token_ids: Ids
    """int64 [tokens]."""
    type_ids: Ids
    """int64 [tokens]: 0 for the first text of a pair, 1 for the second."""
    tokens_in: int
    """Tokens before truncation."""

    @property
    def length(self) -> int:
        """Tokens that the model reads, special ones included."""
        return len(self.token_ids)

    @property
    def batch_key(self) -> None:
        """None: texts of all lengths may share a batch, where the shorter ones are padded."""


def load_tokenizer(file: Path) -> tokenizers.Tokenizer:
    """Return a package's tokenizer, which neither truncates nor pads.

    Raises:
        PackageError: the file is not a tokenizer, or one that takes too much time or memory.
    """
    check_tokenizer(file)
    try:
        tokenizer = open_tokenizer(file)
    except Exception as error:  # the library raises nothing more precise
        raise PackageError(f"{file}: not a tokenizer: {error}") from error
    # The file may have settings from training. Here the request decides on truncation, and each batch on padding.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class Tokenizer:
    """The package's tokenizer. Safe to use from several threads, because it does not change after construction.

    Raises:
        PackageError: the file is not a tokenizer, or ``max_tokens`` has no room for more than the special tokens.
    """

    def __init__(self, file: Path, max_tokens: int) -> None:
        self._tokenizer = load_tokenizer(file)
        self.max_tokens = max_tokens
        # A pair needs room for a token of each text.
        if self._room(num_texts=1) < 1 or self._room(num_texts=2) < 2:
            raise PackageError(f"{file}: max_tokens of {max_tokens} leaves no room for more than the special tokens")

    def rows(self, inputs: Sequence[str | TextPair], truncate: Truncate) -> list[TokenRow]:
        """Tokenize each input.

        Raises:
            InputTooLong: an input has more than ``max_tokens`` tokens and the policy is ``error``.
            InvalidRequest: an input has no tokens.
        """
        pairs = [text if isinstance(text, str) else (text.text, text.text_pair) for text in inputs]
        encodings = self._tokenizer.encode_batch_fast(pairs)  # "fast" is without offsets, which nothing here reads
        return [self._row(index, encoding, pairs[index], truncate) for index, encoding in enumerate(encodings)]

    def _row(self, index: int, encoding: Encoding, text: str | tuple[str, str], truncate: Truncate) -> TokenRow:
        tokens_in = len(encoding.ids)
        if not tokens_in:
            raise InvalidRequest(f"inputs[{index}] has no tokens that the model can read.", param=f"inputs[{index}]")
        if tokens_in > self.max_tokens:
            if truncate == "error":
                raise InputTooLong(
                    f"inputs[{index}] has {tokens_in} tokens; the model takes {self.max_tokens}. "
                    "Shorten it, or set parameters.truncate to 'right' or 'left'.",
                    param=f"inputs[{index}]",
                )
            encoding = self._truncate(text, truncate)
        return TokenRow(np.array(encoding.ids, np.int64), np.array(encoding.type_ids, np.int64), tokens_in)

    def _truncate(self, text: str | tuple[str, str], direction: Literal["right", "left"]) -> Encoding:
        """Truncate before special tokens are added; of a pair, the longer text first, as ``longest_first`` does."""
        # `enable_truncation` of the library would do this, but it changes the tokenizer, which all threads share.
        sides = [text] if isinstance(text, str) else list(text)
        encodings = [self._tokenizer.encode(side, add_special_tokens=False) for side in sides]
        shares = _share(self._room(len(sides)), [len(encoding.ids) for encoding in encodings])
        for encoding, share in zip(encodings, shares, strict=True):
            encoding.truncate(share, direction=direction)
        return self._tokenizer.post_process(encodings[0], encodings[1] if len(sides) == 2 else None)

    def _room(self, num_texts: int) -> int:
        """Return how many tokens are left for text after the special tokens."""
        return self.max_tokens - int(self._tokenizer.num_special_tokens_to_add(num_texts == 2))


def _share(room: int, lengths: list[int]) -> list[int]:
    """Return how many tokens of one or two texts are kept, if tokens of the longer text are dropped first.

    If both get half of an odd ``room``, the longer text gets the odd token, and of equal texts the second one. This is
    what ``longest_first`` of the `tokenizers` library does.
    """
    if len(lengths) == 1:
        return [min(room, lengths[0])]
    shorter = min(*lengths, room // 2)
    longer = min(max(lengths), room - shorter)
    return [longer, shorter] if lengths[0] > lengths[1] else [shorter, longer]
