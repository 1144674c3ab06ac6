"""What the decoding engine requires of a loaded model."""

from typing import Protocol

from tokenizers import Tokenizer

from workers.runtime.decoding.caches.cache import Cache
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sequences.prefill import Prefill
from workers.runtime.decoding.text.text_stream import Vocabulary


class DecodingModel(Protocol):
    """A loaded model that generates token by token. Compared and hashed by identity."""

    name: str
    cache: Cache
    tokenizer: Tokenizer
    vocabulary: Vocabulary

    def prefill(self, request: GenerationRequest, slots: list[int]) -> Prefill:
        """Return the prefill that puts the input of a request into these slots of the cache.

        A decoder appends a prompt, an encoder-decoder encodes a source.
        """
        ...
