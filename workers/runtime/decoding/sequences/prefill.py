"""Prefill: the model calls that process the input of a request before its first token is sampled."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from workers.runtime.decoding.caches.cache import Cache, EncoderDecoderCache, Floats
from workers.runtime.decoding.request import Ids

MAX_CHUNK_TOKENS = 128
"""Tokens of a prompt in one model call. Larger chunks bring new sequences to their first token sooner, and delay the
next token of all others: on two cores one chunk takes about as long as three decode steps of 16 sequences."""


class Prefill(ABC):
    """The input of one request on its way into the cache. Used by the inference thread only."""

    decoder_prefix: tuple[int, ...] = ()
    """Tokens that decode steps must feed after the prefill, before any token is sampled."""

    @property
    @abstractmethod
    def num_next_tokens(self) -> int:
        """Tokens that the next call of ``run`` processes; 0 once the prefill is complete."""

    @abstractmethod
    def move(self, slots: Sequence[int]) -> None:
        """Go on in other slots, which hold what those before have held."""

    @abstractmethod
    def run(self) -> Floats | None:
        """Process the next tokens in one model call.

        Returns:
            The logits after a prompt's last token, float32 [1, vocabulary], valid until the next call. None if the
            prefill is not complete, or if the first token is sampled after a ``decoder_prefix``.

        Raises:
            Exception: the call failed, and the cache holds what it held before.
        """


class ChunkedPrefill(Prefill):
    """A decoder's prompt, processed in chunks of equal length so that other sequences can decode in between.

    Args:
        cache: of the model.
        slot: where the prompt goes. The other beams of a search get its copy when they start.
        prompt_ids: int64 [tokens], at least one.
    """

    def __init__(self, cache: Cache, slot: int, prompt_ids: Ids) -> None:
        self._cache = cache
        self._slot = slot
        self._prompt_ids = prompt_ids
        self._num_done = 0
        # The chunks depend on nothing but the length of the prompt: other boundaries round differently, and a sequence
        # must not depend on what else runs (docs/decisions/0015). They are equal because a short last chunk takes
        # nearly as long as a full one.
        num_chunks = -(-len(prompt_ids) // MAX_CHUNK_TOKENS)
        self._chunk_tokens = -(-len(prompt_ids) // num_chunks)

    @property
    def num_next_tokens(self) -> int:
        """Length of the next chunk."""
        return min(self._chunk_tokens, len(self._prompt_ids) - self._num_done)

    def move(self, slots: Sequence[int]) -> None:
        """Go on in the first of these slots."""
        self._slot = slots[0]

    def run(self) -> Floats | None:
        """Process the next chunk."""
        end = self._num_done + self.num_next_tokens
        logits = self._cache.prefill(self._slot, self._prompt_ids[self._num_done : end])
        self._num_done = end
        return logits[None] if end == len(self._prompt_ids) else None


class EncoderPrefill(Prefill):
    """A source that an encoder processes, in one call: each of its tokens attends to all others.

    Args:
        cache: of the model.
        slots: of all sequences that are generated from the source.
        source_ids: int64 [tokens], at least one.
        decoder_prefix: the tokens that the decoder starts with, as its start token and a target language.
    """

    def __init__(
        self, cache: EncoderDecoderCache, slots: Sequence[int], source_ids: Ids, decoder_prefix: Sequence[int]
    ) -> None:
        self.decoder_prefix = tuple(decoder_prefix)
        self._cache = cache
        self._slots = slots
        self._source_ids = source_ids
        self._done = False

    @property
    def num_next_tokens(self) -> int:
        """Tokens of the source, until it is encoded."""
        return 0 if self._done else len(self._source_ids)

    def move(self, slots: Sequence[int]) -> None:
        """Encode the source for these slots, if it is not encoded yet."""
        self._slots = slots

    def run(self) -> None:
        """Encode the source for all slots."""
        self._cache.encode(self._slots, self._source_ids)
        self._done = True
