"""One job's texts on their way through the decoding loop, as the thread that waits for them sees it."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from contracts.generation import TextDelta
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest


class StreamTransform(Protocol):
    """Turns the deltas of a job's sequences into those of its stream, if they are not streamed as they are."""

    def transform(self, request: GenerationRequest, delta: TextDelta) -> list[TextDelta]:
        """Return the deltas to emit now that a request's sequence gained this one. Called by the inference thread."""
        ...


class RequestHandle:
    """Written by the inference thread, waited for by the job's own. Compared and hashed by identity."""

    def __init__(
        self, requests: Sequence[GenerationRequest], attempt: Attempt, transform: StreamTransform | None = None
    ) -> None:
        self.requests = requests
        self.attempt = attempt
        self.num_done = 0
        """Parts of inputs of which all texts are written."""
        self.wait_s = 0.0
        """Until the first of its texts got a place."""
        self.infer_s = 0.0
        """Model calls with one of its texts."""
        self.first_token_s = 0.0
        """Until the first token of any of its texts."""
        self._transform = transform
        self._results: list[list[GenerationOutput]] = [[] for _ in requests]
        self._left = Counter((request.input, request.part) for request in requests)
        self.num_parts = len(self._left)
        self._num_left = len(requests)
        self._error: Exception | None = None
        self._finished = threading.Event()
        self._created = time.perf_counter()
        if not requests:
            self._finished.set()

    @property
    def finished(self) -> bool:
        """Whether all texts are written, or the ticket failed."""
        return self._finished.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all texts are written or the ticket failed; return whether that is so."""
        return self._finished.wait(timeout_s)

    def results(self) -> list[GenerationOutput]:
        """Return the texts in the order in which they were asked for; those of a search the best first.

        Raises:
            TriptychError: a model call failed.
            AttemptStopped: the job is no longer this worker's.
            RuntimeError: the ticket is not finished.
        """
        if self._error is not None:
            raise self._error
        if self._num_left:
            raise RuntimeError(f"{self._num_left} of {len(self.requests)} orders are not written")
        return [written for texts in self._results for written in texts]

    def started(self) -> None:
        """Note that one of its texts has a place."""
        self.wait_s = self.wait_s or time.perf_counter() - self._created

    def has_token(self) -> float | None:
        """Note that one of its texts has a token; return how long the first of all took, if this is it."""
        if self.first_token_s:
            return None
        self.first_token_s = time.perf_counter() - self._created
        return self.first_token_s

    def transform(self, request: GenerationRequest, deltas: Sequence[TextDelta]) -> list[TextDelta]:
        """Return the deltas to emit now that a request's sequences gained these."""
        if self._transform is None:
            return list(deltas)
        return [emitted for delta in deltas for emitted in self._transform.transform(request, delta)]

    def settle(self, index: int, texts: list[GenerationOutput]) -> None:
        """Store the texts of one order."""
        request, self._results[index] = self.requests[index], texts
        self._num_left -= 1
        self._left[request.input, request.part] -= 1
        self.num_done += not self._left[request.input, request.part]
        if not self._num_left:
            self._finished.set()

    def fail(self, error: Exception) -> None:
        """End the ticket without its texts, unless it has them all."""
        if not self._finished.is_set():
            self._error = error
            self._finished.set()
