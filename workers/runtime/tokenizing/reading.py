"""Reads texts of any length as token ids: counts all tokens and keeps those that are asked for.

A client may send one text of megabytes. Its tokens are made in small parts, by calls that release Python's lock, and
are counted and dropped, so that neither other threads nor the memory feel it. Step 5 on the path of a job.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Literal, NamedTuple

from tokenizers import Encoding, Tokenizer

from contracts.machine import available_cpus
from workers.runtime.tokenizing.seams import WINDOW, Seams

Side = Literal["error", "right", "left"]
"""Where tokens are dropped if there are too many; ``error``: nowhere, the text is refused, so reading may stop."""
Check = Callable[[], None]
"""Called between parts; raises an exception to stop."""
_SMALL = 1024
_MAX_TEXTS = 256
"""Texts of one call: an encoding takes kilobytes even if it has one token."""


class Tokens(NamedTuple):
    """A text as token ids, without special tokens."""

    ids: list[int]
    """At most as many as were to be kept."""
    num_tokens: int
    """Of the whole text; if it was not read to its end, of the part that was read."""
    is_complete: bool = True
    """Whether the text was read to its end."""


def no_check() -> None:
    """Never stop."""


class TextReader:
    """Reads texts with one tokenizer, which neither truncates nor pads. Safe to use from any thread."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._seams = Seams(tokenizer)
        # More calls at once than CPUs bring no speed, and each needs memory. Short texts need little, and don't wait.
        self._slots = threading.BoundedSemaphore(available_cpus())

    def read(self, texts: Sequence[str], keep: int, side: Side, check: Check = no_check) -> Iterator[Tokens]:
        """Yield the first (``right``) or last (``left``) ``keep`` tokens of each text, and how many it has.

        With ``error``, a text is read until it has more. ``keep`` may be 0, but not for ``left``. The ids of a few
        texts are in memory at once: as numbers of Python they take ten times what they take in an array.
        """
        for batch in _batches(texts):
            if len(batch[0]) > WINDOW:
                yield self._read_long(batch[0], keep, side, check)
                continue
            for encoding in self._encode(batch):
                ids = encoding.ids
                yield Tokens(ids[-keep:] if side == "left" else ids[:keep], len(ids))
            check()

    def count(self, texts: Sequence[str], check: Check = no_check) -> list[int]:
        """Return how many tokens each text has."""
        return [tokens.num_tokens for tokens in self.read(texts, 0, "right", check)]

    def _read_long(self, text: str, keep: int, side: Side, check: Check) -> Tokens:
        kept: deque[list[int]] = deque()
        num_kept = num_tokens = 0
        parts = self._seams.parts(text)
        for part in parts:
            (encoding,) = self._encode([part])
            num_tokens += len(encoding)
            if side == "left" or num_kept < keep:
                kept.append(encoding.ids)
                num_kept += len(encoding)
            while side == "left" and kept and num_kept - len(kept[0]) >= keep:
                num_kept -= len(kept.popleft())
            if side == "error" and num_tokens > keep:
                return Tokens([], num_tokens, next(parts, None) is None)
            check()
        ids = [*chain.from_iterable(kept)]
        return Tokens(ids[-keep:] if side == "left" else ids[:keep], num_tokens)

    def _encode(self, texts: list[str]) -> list[Encoding]:
        # This call releases Python's lock, which `encode` does not, and makes no offsets, which nothing here reads.
        if len(texts) == 1 and len(texts[0]) <= _SMALL:
            return self._encode_now(texts)
        with self._slots:
            return self._encode_now(texts)

    def _encode_now(self, texts: list[str]) -> list[Encoding]:
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return encodings


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield texts in groups of about a part's length; a text that is longer comes by itself."""
    batch: list[str] = []
    length = 0
    for text in texts:
        if batch and (length + len(text) > WINDOW or len(batch) == _MAX_TEXTS):
            yield batch
            batch, length = [], 0
        batch.append(text)
        length += len(text)
    if batch:
        yield batch
