"""What the scheduler knows of a running request: one sequence, or the beams of a search that advance together."""

import time
from abc import ABC, abstractmethod
from collections import deque

from contracts.generation import TextDelta
from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest


class SequenceGroup(ABC):
    """One generation request with slots in the cache. Used by the inference thread only.

    Args:
        handle: the request's job.
        index: of the request among those of the handle.
        slots: one for each sequence that is generated at once.
        model: generates it.
    """

    def __init__(self, handle: GenerationHandle, index: int, slots: list[int], model: DecodingModel) -> None:
        self.handle = handle
        self.index = index
        self.request: GenerationRequest = handle.items[index]
        self.slots = slots
        self.prefill = model.prefill(self.request, slots)
        self.num_generated = 0
        """Tokens of the sequence; of beams, those of each."""
        self.started_at = time.perf_counter()
        self.last_token_at = 0.0
        """``time.perf_counter()`` when the last token was sampled."""
        self.stays_until = 0
        """Tokens that must be generated before the group can be paused (again)."""
        self.paused_s = 0.0
        """How long it had no slots after its start."""
        self.outputs: list[GenerationOutput] = []
        """The results, the best first; empty until the group is finished."""
        self._prefix = deque(self.prefill.decoder_prefix)

    def move(self, slots: list[int]) -> None:
        """Go on in other slots, which hold what those before have held."""
        self.slots = slots
        self.prefill.move(slots)

    def next_inputs(self) -> tuple[list[int], list[int]]:
        """Return the slots that take part in the next decode step, and the token that each is given."""
        # All beams start with the same prefix, so the first one processes it for all.
        return (self.slots[:1], [self._prefix[0]]) if self._prefix else (self.slots, self._last_tokens())

    def advance_prefix(self) -> bool:
        """Record that the inputs were processed; return whether the logits after them are to be sampled from."""
        if self._prefix:
            self._prefix.popleft()
        return not self._prefix

    @abstractmethod
    def append(self, logits: Floats) -> list[TextDelta]:
        """Choose the next token of each sequence and append it.

        Args:
            logits: float32 [slots of the last step, vocabulary]; [1, vocabulary] after a prefill or a prefix.

        Returns:
            The deltas to stream now.

        Raises:
            RuntimeError: these logits allow no token.
        """

    @abstractmethod
    def _last_tokens(self) -> list[int]:
        """Return the last token of each sequence."""
