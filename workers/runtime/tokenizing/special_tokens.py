"""Where a tokenizer puts special tokens around a text or a pair of texts.

The library adds them to its own encodings only. Here they are put around token ids, after truncation, so that they are
never cut off.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

from contracts.model_package.files import PackageError

_MAX_SAMPLES = 64


class _Part(NamedTuple):
    """A special token, or the place of a text."""

    token_id: int
    text: int | None
    """Which text of a pair stands here; None: the special token."""
    type_id: int


class SpecialTokens:
    """The templates of one tokenizer.

    Args:
        tokenizer: of a package.
        pairs: whether there may be pairs of texts.

    Raises:
        PackageError: the tokenizer has no token for any text, or repeats a text.
    """

    def __init__(self, tokenizer: Tokenizer, *, pairs: bool = False) -> None:
        sample = _sample(tokenizer)
        self._templates = {1: _parts(tokenizer.encode(sample), 1)}
        if pairs:
            self._templates[2] = _parts(tokenizer.encode(sample, sample), 2)

    def num_added(self, num_texts: int) -> int:
        """Return how many tokens are put around one text or a pair."""
        return len(self._templates[num_texts]) - num_texts

    def around(self, *texts: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the token ids and type ids of one text, or of a pair, with special tokens."""
        ids: list[int] = []
        type_ids: list[int] = []
        for part in self._templates[len(texts)]:
            found = [part.token_id] if part.text is None else texts[part.text]
            ids += found
            type_ids += [part.type_id] * len(found)
        return ids, type_ids


def _sample(tokenizer: Tokenizer) -> str:
    """Return a short text that has tokens."""
    words = [word.strip("▁Ġ #") for word in list(tokenizer.get_vocab())[:_MAX_SAMPLES]]
    for text in ("a", "1", ".", *words):
        if len(tokenizer.encode(text, add_special_tokens=False)):
            return text
    raise PackageError("the tokenizer has no token for any text")


def _parts(encoding: Encoding, num_texts: int) -> list[_Part]:
    found: list[_Part] = []
    for token_id, text, type_id in zip(encoding.ids, encoding.sequence_ids, encoding.type_ids, strict=True):
        if text is None or not found or found[-1].text != text:
            found.append(_Part(token_id, text, type_id))
    if sorted(part.text for part in found if part.text is not None) != list(range(num_texts)):
        raise PackageError("the tokenizer's post-processor repeats a text, or leaves one out")
    return found
