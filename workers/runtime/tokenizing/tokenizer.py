"""Texts to rows of token ids, with truncation as a policy that is counted, never silent. Step 5 of a job's path."""

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
from contracts.tasks import TextPair
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
        PackageError: the file is not a tokenizer.
    """
    try:
        tokenizer = open_tokenizer(file)
    except Exception as error:  # the library raises nothing more precise
        raise PackageError(f"{file}: not a tokenizer: {error}") from error
    # The file may carry settings of the training; here truncation is a policy and padding is the batch's matter.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class Tokenizer:
    """The package's tokenizer. Safe to use from several threads: it is never changed after construction."""

    def __init__(self, file: Path, max_tokens: int) -> None:
        self._tokenizer = load_tokenizer(file)
        self.max_tokens = max_tokens
        if self._room(num_texts=1) < 1 or self._room(num_texts=2) < 2:
            raise PackageError(f"{file}: max_tokens of {max_tokens} leaves no room beside the special tokens")

    def rows(self, inputs: Sequence[str | TextPair], truncate: Truncate) -> list[TokenRow]:
        """Tokenize inputs, each on its own.

        Raises:
            InputTooLong: an input has more than ``max_tokens`` tokens and the policy is ``error``.
            InvalidRequest: nothing of an input is left for the model to read.
        """
        pairs = [text if isinstance(text, str) else (text.text, text.text_pair) for text in inputs]
        encodings = self._tokenizer.encode_batch_fast(pairs)
        return [self._row(index, encoding, pairs[index], truncate) for index, encoding in enumerate(encodings)]

    def _row(self, index: int, encoding: Encoding, text: str | tuple[str, str], truncate: Truncate) -> TokenRow:
        tokens_in = len(encoding.ids)
        if not tokens_in:
            raise InvalidRequest(f"inputs[{index}] has no tokens that the model could read.", param=f"inputs[{index}]")
        if tokens_in > self.max_tokens:
            if truncate == "error":
                raise InputTooLong(
                    f"inputs[{index}] has {tokens_in} tokens; the model takes {self.max_tokens}. "
                    "Shorten it, or set parameters.truncate to 'right' or 'left'.",
                    param=f"inputs[{index}]",
                )
            encoding = self._cut(text, truncate)
        return TokenRow(np.array(encoding.ids, np.int64), np.array(encoding.type_ids, np.int64), tokens_in)

    def _cut(self, text: str | tuple[str, str], direction: Literal["right", "left"]) -> Encoding:
        """Cut before special tokens are added; of a pair, always the longer side loses a token (longest first)."""
        sides = [text] if isinstance(text, str) else list(text)
        encodings = [self._tokenizer.encode(side, add_special_tokens=False) for side in sides]
        shares = _share(self._room(len(sides)), [len(encoding.ids) for encoding in encodings])
        for encoding, share in zip(encodings, shares, strict=True):
            encoding.truncate(share, direction=direction)
        return self._tokenizer.post_process(encodings[0], encodings[1] if len(sides) == 2 else None)

    def _room(self, num_texts: int) -> int:
        """Return the tokens that are left beside the special ones."""
        return self.max_tokens - int(self._tokenizer.num_special_tokens_to_add(num_texts == 2))


def _share(room: int, lengths: list[int]) -> list[int]:
    """Return how much of one or two lengths fits into ``room`` when the longer always gives way first.

    Of two that are cut to halves of an odd room, the longer one gets the odd token; of equals, the second. So does
    `longest_first` of the `tokenizers` library.
    """
    if len(lengths) == 1:
        return [min(room, lengths[0])]
    shorter = min(*lengths, room // 2)
    longer = min(max(lengths), room - shorter)
    return [longer, shorter] if lengths[0] > lengths[1] else [shorter, longer]
