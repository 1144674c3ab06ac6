"""Texts to token ids. Truncation is requested by the client and counted in the usage. Step 5 on the path of a job."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import tokenizers

from contracts.errors import InputTooLong, InvalidRequest
from contracts.model_package.package import PackageError
from contracts.shapes import TextPair, Truncate
from workers.runtime.tokenizing.probing import check_tokenizer
from workers.runtime.tokenizing.reading import Check, TextReader, Tokens, no_check
from workers.runtime.tokenizing.sentencepiece import open_tokenizer
from workers.runtime.tokenizing.special_tokens import SpecialTokens

Ids = npt.NDArray[np.integer[Any]]
MAX_TOKEN_CHARACTERS = 1024
"""Of one token of a vocabulary; known ones have some 100. A token can stand for each unknown character of a text, and
a model can answer with one token again and again."""


class TokenRow(msgspec.Struct, frozen=True):
    """One text, or one pair of texts, as the model reads it."""

    token_ids: Ids
    """[tokens]; int32 from a tokenizer, because the rows of a job may be many, and all of them wait."""
    type_ids: Ids
    """[tokens], int8 from a tokenizer: 0 for the first text of a pair, 1 for the second."""
    tokens_in: int
    """Tokens before truncation."""

    @property
    def length(self) -> int:
        """Tokens that the model reads, special ones included."""
        return len(self.token_ids)

    def cut(self, num_tokens: int) -> "TokenRow":
        """Return a row of the first tokens."""
        return TokenRow(self.token_ids[:num_tokens], self.type_ids[:num_tokens], self.tokens_in)

    @property
    def batch_key(self) -> None:
        """None: texts of all lengths may share a batch, where the shorter ones are padded."""


def load_tokenizer(file: Path) -> tokenizers.Tokenizer:
    """Return a package's tokenizer, which neither truncates nor pads.

    Raises:
        PackageError: the file is not a tokenizer, or one that takes too much time or memory, or has too long a token.
    """
    check_tokenizer(file)
    try:
        tokenizer = open_tokenizer(file)
    except Exception as error:  # the library raises nothing more precise
        raise PackageError(f"{file}: not a tokenizer: {error}") from error
    longest = max(map(len, tokenizer.get_vocab()), default=0)
    if longest > MAX_TOKEN_CHARACTERS:
        raise PackageError(f"{file}: has a token of {longest} characters; {MAX_TOKEN_CHARACTERS} are allowed")
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
        tokenizer = load_tokenizer(file)
        self._reader = TextReader(tokenizer)
        self._special = SpecialTokens(tokenizer, pairs=True)
        self.max_tokens = max_tokens
        # A pair needs room for a token of each text.
        if self._room(num_texts=1) < 1 or self._room(num_texts=2) < 2:
            raise PackageError(f"{file}: max_tokens of {max_tokens} leaves no room for more than the special tokens")

    @property
    def num_special(self) -> int:
        """Special tokens of a row that is a single text."""
        return self._special.num_added(1)

    def rows(self, inputs: Sequence[str | TextPair], truncate: Truncate, check: Check = no_check) -> list[TokenRow]:
        """Tokenize each input.

        Args:
            inputs: texts, or pairs of texts.
            truncate: what to do with an input of more than ``max_tokens``.
            check: called now and then; raises an exception to stop.

        Raises:
            InputTooLong: an input has more than ``max_tokens`` tokens and the policy is ``error``.
            InvalidRequest: an input has no tokens.
        """
        sides = [[text] if isinstance(text, str) else [text.text, text.text_pair] for text in inputs]
        # No side can keep more than this, however short the other one is.
        keep = self._room(num_texts=1)
        read = self._reader.read([text for texts in sides for text in texts], keep, truncate, check)
        return [
            self._row(index, list(itertools.islice(read, len(texts))), truncate) for index, texts in enumerate(sides)
        ]

    def _row(self, index: int, sides: list[Tokens], truncate: Truncate) -> TokenRow:
        lengths = [side.num_tokens for side in sides]
        tokens_in = sum(lengths) + self._special.num_added(len(sides))
        if not tokens_in:
            raise InvalidRequest(f"inputs[{index}] has no tokens that the model can read.", param=f"inputs[{index}]")
        if tokens_in <= self.max_tokens:
            return self._with_special([side.ids for side in sides], tokens_in)
        if truncate == "error":
            raise InputTooLong(
                f"inputs[{index}] has {shown_count(tokens_in, sides, self.max_tokens)} tokens; the model takes "
                f"{self.max_tokens}. Shorten it, or set parameters.truncate to 'right' or 'left'.",
                param=f"inputs[{index}]",
            )
        # Before special tokens are added; of a pair, the longer text first, as ``longest_first`` does.
        shares = _share(self._room(len(sides)), lengths)
        kept = [
            side.ids[len(side.ids) - share :] if truncate == "left" else side.ids[:share]
            for side, share in zip(sides, shares, strict=True)
        ]
        return self._with_special(kept, tokens_in)

    def _with_special(self, sides: list[list[int]], tokens_in: int) -> TokenRow:
        ids, type_ids = self._special.around(*sides)
        return TokenRow(np.array(ids, np.int32), np.array(type_ids, np.int8), tokens_in)

    def _room(self, num_texts: int) -> int:
        """Return how many tokens are left for text after the special tokens."""
        return self.max_tokens - self._special.num_added(num_texts)


def shown_count(num_tokens: int, texts: Iterable[Tokens], limit: int) -> str:
    """Return a number of tokens in words: a text that is refused anyway is not read to its end."""
    return str(num_tokens) if all(text.is_complete for text in texts) else f"more than {limit}"


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
