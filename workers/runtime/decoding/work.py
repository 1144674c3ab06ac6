"""What a task that writes texts sees of the job it works on: write texts, and how long that took."""

import time
from collections.abc import Sequence

import msgspec

from contracts.jobs import Timings
from workers.runtime.attempts.attempt import Attempt, await_handle, milliseconds
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.handle import RequestHandle, StreamTransform
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest

FLUSH_S = 10.0
"""Longest wait for a job's last pieces to be told. Only a store that is out of reach takes that long, and it would not
take the job's end either."""


class DecodingWork:
    """One attempt at one job. It begins when this is made."""

    def __init__(self, engine: DecodingEngine, attempt: Attempt) -> None:
        self._engine = engine
        self._attempt = attempt
        self._started = self._written = time.perf_counter()
        self._before_s = 0.0
        self._handles: list[RequestHandle] = []

    def write(
        self, model: DecodingModel, requests: Sequence[GenerationRequest], transform: StreamTransform | None = None
    ) -> list[GenerationOutput]:
        """Write texts, side by side with those of other jobs; return them in the order of ``requests``.

        An order with beams gives as many texts as it wants returned, the best first. A job may write several times; its
        progress and its timings are those of all.

        Raises:
            ExecutionTimeout: the job took longer than its ``timeout_s``.
            AttemptStopped: the job is no longer this worker's.
            TriptychError: a model call failed.
        """
        if not self._handles:
            self._before_s = time.perf_counter() - self._started
        handle = self._engine.submit(model, requests, self._attempt, transform)
        num_before = sum(earlier.num_parts for earlier in self._handles)
        self._handles.append(handle)

        def report(num_done: int) -> None:
            self._attempt.report_progress(num_before + num_done, num_before + handle.num_parts)

        try:
            await_handle(handle, self._attempt, self._started, report)
        finally:
            self._engine.cancel(model, handle)
        self._written = time.perf_counter()
        texts = handle.results()
        if any(request.stream for request in requests):
            # What is not told by now comes with the job's end: its output is whole, whatever the events have told.
            self._engine.flush(self._attempt, FLUSH_S)
        return texts

    def timings(self) -> bytes:
        """Return the JSON of ``Timings`` up to now."""
        first_s = next((handle.first_token_s for handle in self._handles), 0.0)
        timings = Timings(
            tokenize_ms=milliseconds(self._before_s),
            batch_wait_ms=milliseconds(sum(handle.wait_s for handle in self._handles)),
            infer_ms=milliseconds(sum(handle.infer_s for handle in self._handles)),
            post_ms=milliseconds(time.perf_counter() - self._written),
            first_token_ms=milliseconds(self._before_s + first_s) if self._handles else 0.0,
        )
        return msgspec.json.encode(timings)
