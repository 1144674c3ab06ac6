"""Cut texts into SentencePiece's pieces (Kudo & Richardson, 2018), as `sentencepiece` itself does it.

The `tokenizers` library has the same algorithms, but not the same answers: of two equally good ways to cut it often
takes the other one, it leaves out part of the rules for combined characters, and a piece's id can't come from a
table that lacks some of the pieces. So in a package whose reference runs `sentencepiece`, tokenizer.json holds the
table of ids, the special tokens and how to decode, ``pieces.json`` beside it what is needed to cut; `open_tokenizer`
puts the two together.
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
"""U+2581, which stands for a space inside pieces."""
_UNKNOWN_PENALTY = 10.0


class PieceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``pieces.json``."""

    algorithm: Literal["unigram", "bpe"]
    scores: dict[str, float]
    """Each piece that a text can be cut into, with its score: float32."""
    charsmap: bytes = b""
    """The rules of `Charsmap`; in JSON as base64."""
    add_dummy_prefix: bool
    """Whether a text gets a space at its start."""
    remove_extra_whitespaces: bool
    language_codes: bool = False
    """Whether ``>>code<<`` at the start of a text is one piece (Marian)."""


def open_tokenizer(file: Path) -> Tokenizer:
    """Return the tokenizer of a ``tokenizer.json``, which cuts texts by the ``pieces.json`` beside it if there is one.

    Raises:
        Exception: one of the files is not what it should be; the libraries raise nothing more precise.
    """
    tokenizer = Tokenizer.from_file(str(file))
    pieces = file.with_name(PIECES)
    if pieces.exists():
        model = msgspec.json.decode(pieces.read_bytes(), type=PieceModel)
        tokenizer.pre_tokenizer = PreTokenizer.custom(SentencePieces(model))
    return tokenizer


class SentencePieces:
    """A pre-tokenizer in the sense of `tokenizers`: after it each piece is a word of its own. Safe for threads."""

    def __init__(self, model: PieceModel) -> None:
        self._model = model
        self._charsmap = Charsmap(model.charsmap)
        algorithm = _Unigram if model.algorithm == "unigram" else _Bpe
        self._cut: Callable[[str], list[str]] = algorithm(model.scores)

    def pre_tokenize(self, pretokenized: PreTokenizedString) -> None:
        """Cut what lies between special tokens, each stretch as a text of its own."""
        pretokenized.split(lambda _, stretch: [NormalizedString(piece) for piece in self.pieces(str(stretch))])

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of a text; characters that no piece has, as they stand: a run of them is one piece."""
        found = []
        if self._model.language_codes and text.startswith(">>") and (end := text.find("<<")) != -1:
            found.append(text[: end + 2])
            text = text[end + 2 :]
        normalized = self.normalize(text)
        return found + self._cut(normalized) if normalized else found

    def normalize(self, text: str) -> str:
        """Apply the rules for characters, put a space before the text and write spaces as `SPACE`."""
        if not text:
            return ""
        text = self._charsmap.rewrite(text)
        prefix = SPACE if self._model.add_dummy_prefix else ""
        if not self._model.remove_extra_whitespaces:
            return prefix + text.replace(" ", SPACE)
        single = re.sub(" +", SPACE, text.lstrip(" "))
        return (prefix + single).rstrip(SPACE)


class _Unigram:
    """The cut of the highest sum of scores, found by Viterbi's algorithm (Kudo, 2018).

    Sums are rounded to float32 where `sentencepiece` rounds them: in a text like "........" many cuts are equally good
    but for that.
    """

    def __init__(self, scores: dict[str, float]) -> None:
        self._scores = scores
        self._unknown = min(scores.values(), default=0.0) - _UNKNOWN_PENALTY
        self._longest: dict[str, int] = {}
        for piece in scores:
            self._longest[piece[0]] = max(self._longest.get(piece[0], 0), len(piece))

    def __call__(self, text: str) -> list[str]:
        best = array("f", [0.0, *[-inf] * len(text)])
        """Score of the best cut that ends here, for each place."""
        start_of, known = [0] * (len(text) + 1), [True] * (len(text) + 1)
        """Where the last piece of that cut begins, and whether it is a piece at all."""
        total = array("f", [0.0])

        def consider(start: int, end: int, score: float, is_piece: bool) -> None:
            total[0] = best[start] + score
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
        """Read the best cut from its end; neighbours that are unknown become one piece."""
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
    """Byte-pair encoding (Sennrich et al., 2016): again and again the pair that makes the best piece is joined."""

    def __init__(self, scores: dict[str, float]) -> None:
        self._scores = scores

    def __call__(self, text: str) -> list[str]:
        symbols = list(text)
        """By where each begins; a symbol that was joined to the one before it is empty."""
        before, after = list(range(-1, len(text) - 1)), list(range(1, len(text) + 1))
        agenda: list[tuple[float, int, int, int]] = []

        def propose(left: int, right: int) -> None:
            if left >= 0 and right < len(symbols):
                pair = symbols[left] + symbols[right]
                score = self._scores.get(pair)
                if score is not None:
                    heapq.heappush(agenda, (-score, left, right, len(pair)))

        for index in range(len(symbols) - 1):
            propose(index, index + 1)
        while agenda:
            _, left, right, length = heapq.heappop(agenda)
            if not symbols[left] or not symbols[right] or len(symbols[left]) + len(symbols[right]) != length:
                continue  # one of the two has been joined to another since
            symbols[left] += symbols[right]
            symbols[right] = ""
            after[left] = after[right]
            if after[right] < len(symbols):
                before[after[right]] = left
            propose(before[left], left)
            propose(left, after[left])
        return self._joined([symbol for symbol in symbols if symbol])

    def _joined(self, symbols: list[str]) -> list[str]:
        """Make one piece of neighbours that are unknown."""
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
