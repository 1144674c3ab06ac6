"""Where a long text may be cut so that its parts have the same tokens as the whole.

Tokens depend on what is around them: a normalizer may join characters, a word is split as a whole, and many tokenizers
put a space before each text. So a text is cut only between two words, at a single space between two letters, and only
if the tokenizer at hand gives equal tokens for such cuts.
"""

import re
from collections.abc import Iterator
from unicodedata import is_normalized

from tokenizers import Tokenizer

WINDOW = 8192
"""Characters of a part. Tokens take some 400 bytes each while a text is tokenized, so a part is small."""
MAX_WINDOW = 65_536
"""Characters of a part that has no seam: numbers, Chinese without spaces, or any text if the tokenizer has none. At the
cut its tokens may differ from those of the whole text."""
_SEAM = re.compile(r"(?<=[^\W\d_]) (?=[^\W\d_])")
# Tokenizers write a space as itself or as U+2581. Where tokens are bytes it is U+0120, and before it stands a byte that
# ends a letter: of ASCII, or 0x80 to 0xBF, which are written as these characters.
_CROSSING = re.compile("[^\\W\\d_][ ▁]|[A-Za-z\u00a1-\u00bf\u0121-\u0143]\u0120")
_NEAR_SPACE = re.compile(r"\w\s|\s\w")
_SAMPLES = (
    "the cat sat on a mat", "Don't stop, it's fine", "A B c D", "Größe naïve Ærøskøbing", "мир дом и сад",
    "end of it. New one", "नमस्ते दुनिया है", "日本 語文 字", "한국어 문장 입니다", "a.b c.d e",
    "(see) the x y) z", "aaa bbb aaa",
    "w1 w2 w3 q z",
)  # fmt: skip


class Seams:
    """The seams of one tokenizer. Safe to use from any thread."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        words = tokenizer.get_vocab(with_added_tokens=False)
        # Such a token could lie across a seam. Our own SentencePiece adds scores over the whole text, with rounding.
        crosses = _is_ours(tokenizer) or any(map(_CROSSING.search, words)) or any(map(_NEAR_SPACE.search, added))
        self._at_edge = tuple(text for text in added if text and (text[0].isalpha() or text[-1].isalpha()))
        """Added tokens that begin or end like a word: they may take the spaces around them, so no cut is near one."""
        self._num_dropped: int | None = None
        """1 if the space of a seam goes, because the tokenizer puts one before each text; None: there are no seams."""
        if not crosses:
            self._num_dropped = next((number for number in (0, 1) if _holds(tokenizer, number)), None)

    def parts(self, text: str) -> Iterator[str]:
        """Yield a text in parts of at most ``MAX_WINDOW`` characters, most of them of ``WINDOW``."""
        start = 0
        while len(text) - start > WINDOW:
            end, dropped = self._next_cut(text, start)
            yield text[start:end]
            start = end + dropped
        if start < len(text) or not text:
            yield text[start:]

    def _next_cut(self, text: str, start: int) -> tuple[int, int]:
        """Return where to cut the text that begins at ``start``, and how many characters to leave out there."""
        if self._num_dropped is not None:
            for first, last in ((start + WINDOW // 2, start + WINDOW), (start + WINDOW, start + MAX_WINDOW)):
                for match in _SEAM.finditer(text, first, last):
                    if self._is_seam(text, match.start()):
                        return match.start(), self._num_dropped
        last = start + MAX_WINDOW
        if last >= len(text):
            return len(text), 0
        space = text.rfind(" ", start + WINDOW, last)
        return (last if space == -1 else space), 0

    def _is_seam(self, text: str, space: int) -> bool:
        # A normalizer may make spaces of letters: isolated forms of Arabic marks become a space and a mark.
        if not is_normalized("NFKC", text[space - 1] + text[space + 1]):
            return False
        return not (text.startswith(self._at_edge, space + 1) or text.endswith(self._at_edge, 0, space))


def _is_ours(tokenizer: Tokenizer) -> bool:
    """Return whether pieces come from `workers.runtime.tokenizing.sentencepiece`."""
    if tokenizer.pre_tokenizer is None:
        return False
    try:
        tokenizer.pre_tokenizer.__getstate__()
    except Exception:  # the library's own can be pickled, those in Python can't, and it raises nothing more precise
        return True
    return False


def _holds(tokenizer: Tokenizer, num_dropped: int) -> bool:
    """Return whether the tokens of each sample are those of its parts."""
    for sample in _SAMPLES:
        whole = _ids(tokenizer, sample)
        for seam in _SEAM.finditer(sample):
            before, after = sample[: seam.start()], sample[seam.start() + num_dropped :]
            if _ids(tokenizer, before) + _ids(tokenizer, after) != whole:
                return False
    return True


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)
