"""What the loop sees of an order that runs: a text, or the beams of a search that finds it."""

from abc import ABC, abstractmethod
from typing import Protocol

from tokenizers import Tokenizer

from contracts.generation import FinishReason, TextDelta
from workers.runtime.decoding.caches.cache import Cache, Floats
from workers.runtime.decoding.handle import RequestHandle
from workers.runtime.decoding.prefill import reader_of
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.text.text_stream import Vocabulary


class DecodingModel(Protocol):
    """A loaded model that writes. Compared and hashed by identity."""

    name: str
    cache: Cache
    tokenizer: Tokenizer
    vocabulary: Vocabulary


class Running(ABC):
    """One order of a ticket, with places in the cache. Used by the inference thread only."""

    def __init__(self, handle: RequestHandle, index: int, places: list[int]) -> None:
        self.handle = handle
        self.request: GenerationRequest = handle.requests[index]
        self.places = places
        self.reader = reader_of(self.request)
        self.last_at = 0.0
        """``time.perf_counter()`` of its last token."""
        self.finish_reason: FinishReason | None = None
        self.num_written = 0
        """Tokens of a text; of beams, those of the longest."""
        self._index = index

    @abstractmethod
    def fed(self) -> tuple[list[int], list[int]]:
        """Return the places that get a token in the next step, and their tokens."""

    @abstractmethod
    def accept(self, logits: Floats) -> list[TextDelta]:
        """Choose what comes next; return what the order's texts have grown by, if that is to be told.

        Args:
            logits: float32 [places that were fed, vocabulary]; or [1, vocabulary], after the last token of a prompt.

        Raises:
            RuntimeError: there is nothing to choose among these logits.
        """

    @abstractmethod
    def settle(self) -> None:
        """Hand the finished texts to the ticket."""
