"""What a text is written from, and how much of it is read: a decoder's prompt, or an encoder's source."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import cast

from workers.runtime.decoding.caches.cache import Cache, EncoderDecoderCache, Floats
from workers.runtime.decoding.request import GenerationRequest, Ids

MAX_CHUNK_TOKENS = 128
"""Tokens of a prompt that are read in one call. More brings new texts to their first token sooner, and makes the others
wait longer for their next one: on two cores such a piece takes about as long as three steps of 16 rows."""


class Reader(ABC):
    """Reads what one order is written from. Used by the inference thread only."""

    def __init__(self, forced: Sequence[int] = ()) -> None:
        self.forced = deque(forced)
        """Tokens that the decoder is given one by one before it chooses any."""

    def has_fed(self) -> bool:
        """Note that a step was made, with the first of ``forced`` if there are any; return whether none are left."""
        if self.forced:
            self.forced.popleft()
        return not self.forced

    @property
    @abstractmethod
    def num_next(self) -> int:
        """Tokens that the next call reads; 0 when all is read."""

    @abstractmethod
    def read(self, cache: Cache, places: list[int]) -> Floats | None:
        """Read the next of it into these places, in one model call.

        Returns:
            The logits after a prompt's last token, float32 [1, vocabulary], good until the next call. None while there
            is more to read, and where the first token to choose comes behind those in ``forced``.

        Raises:
            Exception: the call failed, and nothing more was read than before.
        """


class PromptReader(Reader):
    """A decoder's prompt, in pieces. See `Reader`; it is read into the first place."""

    def __init__(self, prompt_ids: Ids) -> None:
        super().__init__()
        self._prompt = prompt_ids
        self._num_read = 0

    @property
    def num_next(self) -> int:
        """Tokens of the next piece.

        Pieces are as equal as can be: a short one at the end would take nearly as long as a whole one. They depend on
        nothing but the prompt, since other cuts round differently.
        """
        num_chunks = -(-len(self._prompt) // MAX_CHUNK_TOKENS)
        size = -(-len(self._prompt) // num_chunks)
        return min(size, len(self._prompt) - self._num_read)

    def read(self, cache: Cache, places: list[int]) -> Floats | None:
        """Read the next piece. See `Reader`."""
        end = self._num_read + self.num_next
        logits = cache.prefill(places[0], self._prompt[self._num_read : end])
        self._num_read = end
        return logits[None] if end == len(self._prompt) else None


class SourceReader(Reader):
    """What an encoder reads: whole, since each of its tokens looks at all others. See `Reader`."""

    def __init__(self, source_ids: Ids, prefix_ids: Ids) -> None:
        super().__init__(prefix_ids.tolist())
        self._source: Ids | None = source_ids

    @property
    def num_next(self) -> int:
        """Tokens of the source, until it is read."""
        return 0 if self._source is None else len(self._source)

    def read(self, cache: Cache, places: list[int]) -> Floats | None:
        """Read the source, for all places. See `Reader`."""
        if self._source is not None:
            # Only orders for models whose cache has sources have any.
            cast(EncoderDecoderCache, cache).encode(places, self._source)
            self._source = None
        return None


def reader_of(request: GenerationRequest) -> Reader:
    """Return what reads an order's input."""
    if request.source_ids is None:
        return PromptReader(request.prompt_ids)
    return SourceReader(request.source_ids, request.prompt_ids)
