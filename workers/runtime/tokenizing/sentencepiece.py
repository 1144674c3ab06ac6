"""Splits texts into SentencePiece's pieces (Kudo & Richardson, 2018), exactly as the `sentencepiece` library does.

The `tokenizers` library implements the same algorithms with different results: of two segmentations with equal scores
it often picks the other one, it applies some normalization rules to combined characters differently, and it can't take
ids from a table that lacks some of the pieces (docs/decisions/0012). So a package whose reference uses `sentencepiece`
has two files: ``tokenizer.json`` with the ids, the special tokens and the decoder, and ``pieces.json`` with the pieces
and their scores. `open_tokenizer` combines them.
"""

import heapq
import re
from array import array
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Literal

import msgspec
from tokenizers import NormalizedString, PreTokenizedString, Tokenizer
from tokenizers.pre_tokenizers import PreTokenizer

from contracts.model_package.manifest import PIECES
from workers.runtime.tokenizing.charsmap import Charsmap

SPACE = "▁"
"""U+2581, which represents a space inside pieces."""
_UNKNOWN_PENALTY = 10.0
"""What an unknown character scores below the worst piece; the constant of `sentencepiece`."""


class PieceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``pieces.json``."""

    algorithm: Literal["unigram", "bpe"]
    scores: dict[str, float]
    """The float32 score of each piece."""
    charsmap: bytes = b""
    """The rules of `Charsmap`, in JSON as base64."""
    add_dummy_prefix: bool
    """Whether a space is put before each text."""
    remove_extra_whitespaces: bool
    language_codes: bool = False
    """Whether ``>>code<<`` at the start of a text is one piece (Marian)."""


def open_tokenizer(file: Path) -> Tokenizer:
    """Load a ``tokenizer.json``, together with the ``pieces.json`` in the same folder if there is one.

    Raises:
        Exception: one of the files is not valid; the libraries raise nothing more specific.
    """
    tokenizer = Tokenizer.from_file(str(file))
    pieces = file.with_name(PIECES)
    if pieces.exists():
        model = msgspec.json.decode(pieces.read_bytes(), type=PieceModel)
        tokenizer.pre_tokenizer = PreTokenizer.custom(SentencePieces(model))
    return tokenizer


class SentencePieces:
    """A pre-tokenizer for the `tokenizers` library that makes each piece a word. Safe to use from any thread."""

    def __init__(self, model: PieceModel) -> None:
        self._model = model
        self._charsmap = Charsmap(model.charsmap)
        algorithm = _Unigram if model.algorithm == "unigram" else _Bpe
        self._segment: Callable[[str], list[str]] = algorithm(model.scores)

    def pre_tokenize(self, pretokenized: PreTokenizedString) -> None:
        """Split the texts between special tokens, each by itself."""
        pretokenized.split(lambda _, stretch: [NormalizedString(piece) for piece in self.pieces(str(stretch))])

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of a text. A run of characters that are in no piece is one piece."""
        found = []
        # Before normalization, which could change the code, and up to the first "<<": as transformers' MarianTokenizer.
        if self._model.language_codes and text.startswith(">>") and (end := text.find("<<")) != -1:
            found.append(text[: end + 2])
            text = text[end + 2 :]
        normalized = self.normalize(text)
        return found + self._segment(normalized) if normalized else found

    def normalize(self, text: str) -> str:
        """Apply the normalization rules, put a space before the text and replace spaces by `SPACE`."""
        if not text:
            return ""
        text = self._charsmap.rewrite(text)
        prefix = SPACE if self._model.add_dummy_prefix else ""
        if not self._model.remove_extra_whitespaces:
            return prefix + text.replace(" ", SPACE)
        single = re.sub(" +", SPACE, text.lstrip(" "))
        # Also a U+2581 of the text itself: `sentencepiece` strips the end after it has replaced the spaces.
        return (prefix + single).rstrip(SPACE)


class _Unigram:
    """Finds the segmentation with the highest sum of scores by Viterbi's algorithm (Kudo, 2018)."""

    def __init__(self, scores: dict[str, float]) -> None:
        self._scores = scores
        self._unknown = min(scores.values(), default=0.0) - _UNKNOWN_PENALTY
        self._longest: dict[str, int] = {}
        for piece in scores:
            self._longest[piece[0]] = max(self._longest.get(piece[0], 0), len(piece))

    def __call__(self, text: str) -> list[str]:
        best = array("f", [0.0, *[-inf] * len(text)])
        """Score of the best segmentation of the text before each position."""
        start_of, known = [0] * (len(text) + 1), [True] * (len(text) + 1)
        """Where the last piece of that segmentation begins, and whether it is a known piece."""
        # Sums are rounded to float32, as in `sentencepiece`. In texts like "........" many segmentations have the same
        # score, and the rounding decides which one wins.
        total = array("f", [0.0])

        def consider(start: int, end: int, score: float, is_piece: bool) -> None:
            total[0] = best[start] + score
            # Of equal sums the first one stays, as in `sentencepiece`.
            if total[0] > best[end]:
                best[end], start_of[end], known[end] = total[0], start, is_piece

        for start, character in enumerate(text):
            last = min(start + self._longest.get(character, 0), len(text))
            for end in range(start + 1, last + 1):
                score = self._scores.get(text[start:end])
                if score is not None:
                    consider(start, end, score, True)
            if character not in self._scores:
                consider(start, start + 1, self._unknown, False)
        return self._walk(text, start_of, known)

    @staticmethod
    def _walk(text: str, start_of: list[int], known: list[bool]) -> list[str]:
        """Read the best segmentation from its end, and join unknown neighbours to one piece."""
        found: list[tuple[int, int]] = []
        end, joins = len(text), False
        while end:
            start = start_of[end]
            if joins and not known[end]:
                found[-1] = start, found[-1][1]
            else:
                found.append((start, end))
            end, joins = start, not known[end]
        return [text[start:end] for start, end in reversed(found)]


class _Bpe:
    """Byte-pair encoding (Sennrich et al., 2016): merges the pair with the best score until no pair is a piece."""

    def __init__(self, scores: dict[str, float]) -> None:
        self._scores = scores

    def __call__(self, text: str) -> list[str]:
        symbols = list(text)
        """By position; a symbol that was merged into the one before it is empty."""
        before, after = list(range(-1, len(text) - 1)), list(range(1, len(text) + 1))
        agenda: list[tuple[float, int, int, int]] = []

        def propose(left: int, right: int) -> None:
            if left >= 0 and right < len(symbols):
                pair = symbols[left] + symbols[right]
                score = self._scores.get(pair)
                if score is not None:
                    # Of equal scores the leftmost pair is merged first, as in `sentencepiece`.
                    heapq.heappush(agenda, (-score, left, right, len(pair)))

        for index in range(len(symbols) - 1):
            propose(index, index + 1)
        while agenda:
            _, left, right, length = heapq.heappop(agenda)
            if not symbols[left] or not symbols[right] or len(symbols[left]) + len(symbols[right]) != length:
                continue  # one of the two has been merged with another symbol since
            symbols[left] += symbols[right]
            symbols[right] = ""
            after[left] = after[right]
            if after[right] < len(symbols):
                before[after[right]] = left
            propose(before[left], left)
            propose(left, after[left])
        return self._joined([symbol for symbol in symbols if symbol])

    def _joined(self, symbols: list[str]) -> list[str]:
        """Join unknown neighbours to one piece."""
        found: list[list[str]] = []
        joins = False
        for symbol in symbols:
            unknown = symbol not in self._scores
            if unknown and joins:
                found[-1].append(symbol)
            else:
                found.append([symbol])
            joins = unknown
        return ["".join(parts) for parts in found]
