"""One job's generation requests on their way through the decoding engine."""

import time
from collections.abc import Sequence
from typing import Protocol

from contracts.generation import TextDelta
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest, sizes_of_parts
from workers.runtime.engine.handle import RequestHandle


class StreamTransform(Protocol):
    """Turns the deltas of a job's sequences into those of its stream, if they are not streamed as they are."""

    def transform(self, request: GenerationRequest, delta: TextDelta) -> list[TextDelta]:
        """Return the deltas to emit now that a request's sequence gained this one. Called by the inference thread."""
        ...


class GenerationHandle(RequestHandle[DecodingModel, GenerationRequest, list[GenerationOutput]]):
    """A handle whose items are generation requests. The result of each is a list: a beam search has several.

    Progress counts parts of inputs, each of which is done when all of its sequences are.
    """

    def __init__(
        self,
        model: DecodingModel,
        items: Sequence[GenerationRequest],
        attempt: Attempt,
        transform: StreamTransform | None = None,
    ) -> None:
        super().__init__(model, items, attempt)
        self.first_token_s = 0.0
        """From submission until the first token of any sequence; 0 before it."""
        self._transform = transform
        self._num_missing_of_part = sizes_of_parts(items)
        self.num_parts = len(self._num_missing_of_part)

    def mark_token(self) -> float | None:
        """Note that a sequence has its first token; return ``first_token_s`` if it is the first of all sequences."""
        if self.first_token_s:
            return None
        self.first_token_s = time.perf_counter() - self._created
        return self.first_token_s

    def transform(self, request: GenerationRequest, deltas: Sequence[TextDelta]) -> list[TextDelta]:
        """Return the deltas to emit now that a request's sequences gained these."""
        if self._transform is None:
            return list(deltas)
        return [emitted for delta in deltas for emitted in self._transform.transform(request, delta)]

    def _completes_part(self, index: int) -> bool:
        item = self.items[index]
        self._num_missing_of_part[item.input, item.part] -= 1
        return not self._num_missing_of_part[item.input, item.part]
