"""What a task sees of the job it works on: tokenize, infer, and the count of what was read."""

import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from contracts.jobs import Timings, Usage
from contracts.tasks import TextPair
from workers.runtime.attempts.attempt import Attempt, await_handle, milliseconds
from workers.runtime.batching.engine import BatchModel, Engine, RequestHandle
from workers.runtime.inference.session import Array
from workers.runtime.tokenizing.tokenizer import Row, Tokenizer, Truncate


class TokenModel(BatchModel, Protocol):
    """A model with the tokenizer of its package."""

    tokenizer: Tokenizer


class Work:
    """One attempt at one job: runs its inputs through the engine and keeps its usage and timings."""

    def __init__(self, engine: Engine, attempt: Attempt) -> None:
        self._engine = engine
        self._attempt = attempt
        self._started = time.perf_counter()
        self._tokenized = self._inferred = self._started
        self._rows: list[Row] = []
        self._handle: RequestHandle | None = None

    def infer(self, model: TokenModel, inputs: Sequence[str | TextPair], truncate: Truncate) -> list[Array]:
        """Return the model's array for each input, in order.

        Raises:
            InputTooLong: see ``Tokenizer.rows``.
            ExecutionTimeout: the job took longer than its ``timeout_s``.
            AttemptStopped: the job is no longer this worker's.
            TriptychError: the model call failed.
        """
        self._rows = model.tokenizer.rows(inputs, truncate)
        self._tokenized = time.perf_counter()
        self._handle = self._engine.submit(model, self._rows, isolated=self._attempt.isolated)
        try:
            await_handle(self._handle, self._attempt, self._started)
        finally:
            self._engine.cancel(self._handle)
        self._inferred = time.perf_counter()
        return self._handle.results()

    def usage(self) -> bytes:
        """Return the JSON of ``Usage``."""
        used = Usage(
            items=len(self._rows),
            tokens_in=sum(row.tokens_in for row in self._rows),
            tokens_used=sum(row.num_tokens for row in self._rows),
            truncated_items=sum(row.num_tokens < row.tokens_in for row in self._rows),
        )
        return msgspec.json.encode(used)

    def timings(self) -> bytes:
        """Return the JSON of ``Timings`` up to now."""
        handle = self._handle
        timings = Timings(
            tokenize_ms=milliseconds(self._tokenized - self._started),
            batch_wait_ms=milliseconds(handle.wait_s) if handle else 0.0,
            infer_ms=milliseconds(handle.infer_s) if handle else 0.0,
            post_ms=milliseconds(time.perf_counter() - self._inferred),
        )
        return msgspec.json.encode(timings)
