"""What a task that generates text sees of its attempt: generation requests, and how long they took."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from contracts.errors import ExecutionTimeout
from contracts.jobs import Timings
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.handle import GenerationHandle, StreamTransform
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationOutput, GenerationRequest, are_streamed
from workers.runtime.engine.work import Work, milliseconds


class DecodingWork(Work[DecodingEngine]):
    """One attempt at one job that generates text."""

    def __init__(self, engine: DecodingEngine, attempt: Attempt) -> None:
        super().__init__(engine, attempt)
        self._first_handle: GenerationHandle | None = None

    async def generate(
        self, model: DecodingModel, requests: Sequence[GenerationRequest], transform: StreamTransform | None = None
    ) -> list[GenerationOutput]:
        """Generate sequences, in batches with those of other jobs; return their outputs in the order of ``requests``.

        A request with beams has as many outputs as it wants returned, the best first.

        Raises:
            ExecutionTimeout: the attempt has taken longer than its ``timeout_s``.
            AttemptStopped: the job no longer belongs to this attempt.
            TriptychError: a model call failed.
        """

        def submit() -> GenerationHandle:
            handle = self._engine.submit(model, requests, self.attempt, transform)
            self._first_handle = self._first_handle or handle
            return handle

        outputs = [output for outputs in await self._run(submit) for output in outputs]
        if are_streamed(requests):
            # A delta that is published after the job's end would be refused. After a timeout, clients miss the last
            # deltas of the stream, but still get the whole output with the job's end.
            with suppress(ExecutionTimeout):
                await self._engine.flush(self.attempt)
        return outputs

    def timings(self) -> Timings:
        """Return where the attempt has spent its time up to now, and when it had its first token."""
        first_token_s = self._prepare_s + self._first_handle.first_token_s if self._first_handle else 0.0
        return msgspec.structs.replace(super().timings(), first_token_ms=milliseconds(first_token_s))
