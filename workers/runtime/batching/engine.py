"""The batching engine: one inference thread that turns the waiting rows of many jobs into model calls.

Celery threads hand in a job's rows and wait for its ticket. While one model call runs, others gather, so batches form
by themselves under load and a lone job never waits for company. Steps 5 and 6 on the path of a job.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from contracts.errors import TriptychError
from workers.runtime.attempts.failures import as_job_error
from workers.runtime.batching.row_queue import RowQueue
from workers.runtime.inference.session import Array
from workers.runtime.inference.stats import Stats
from workers.runtime.tokenizing.tokenizer import Row

logger = logging.getLogger(__name__)


class BatchModel(Protocol):
    """A model that can run a batch."""

    name: str
    max_batch_tokens: int
    max_padding: float

    def run(self, rows: Sequence[Row]) -> Sequence[Array]:
        """Run one model call; return one array for each row, in order."""
        ...


class RequestHandle:
    """One job's rows on their way through the engine. Compared and hashed by identity."""

    def __init__(self, model: BatchModel, rows: Sequence[Row], *, isolated: bool) -> None:
        self.model = model
        self.rows = rows
        self.isolated = isolated
        self.num_done = 0
        self.wait_s = 0.0
        self.infer_s = 0.0
        self._results: list[Array | None] = [None] * len(rows)
        self._error: TriptychError | None = None
        self._finished = threading.Event()
        self._created = time.perf_counter()
        if not rows:
            self._finished.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all rows are done or the ticket failed; return whether that is so."""
        return self._finished.wait(timeout_s)

    def results(self) -> list[Array]:
        """Return one array for each row.

        Raises:
            TriptychError: the model call failed.
            RuntimeError: the ticket is not finished.
        """
        if self._error is not None:
            raise self._error
        results = [result for result in self._results if result is not None]
        if len(results) != len(self.rows):
            raise RuntimeError(f"{len(results)} of {len(self.rows)} rows have a result")
        return results

    def started(self) -> None:
        """Note that a model call with rows of this ticket begins."""
        self.wait_s = self.wait_s or time.perf_counter() - self._created

    def settle(self, index: int, result: Array) -> None:
        """Store the result of one row."""
        self._results[index] = result
        self.num_done += 1
        if self.num_done == len(self.rows):
            self._finished.set()

    def fail(self, error: TriptychError) -> None:
        """End the ticket without its results, unless it has them all."""
        if not self._finished.is_set():
            self._error = error
            self._finished.set()


Batch = list[tuple[RequestHandle, int]]


class Engine:
    """Owns the inference thread. All public methods can be called from any thread."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.busy_since: float | None = None
        """``time.monotonic()`` at the start of the model call that runs now; a watchdog reads it."""
        self._changed = threading.Condition()
        # By the model itself and not by its name: rows of two versions never share a call.
        self._queues: dict[tuple[BatchModel, RequestHandle | None], RowQueue[RequestHandle]] = {}
        self._thread = threading.Thread(target=self._loop, name="inference", daemon=True)
        self._thread.start()

    def generation(self) -> None:
        """Return that no texts are written here."""

    def submit(self, model: BatchModel, rows: Sequence[Row], *, isolated: bool = False) -> RequestHandle:
        """Queue the rows of one job. ``isolated``: no other job's rows share its model calls."""
        handle = RequestHandle(model, rows, isolated=isolated)
        with self._changed:
            queue = self._queues.get(_key(handle))
            if queue is None:
                queue = RowQueue(max_batch_tokens=model.max_batch_tokens, max_padding=model.max_padding)
                self._queues[_key(handle)] = queue
            queue.add(handle, [row.num_tokens for row in rows])
            self._changed.notify()
        return handle

    def cancel(self, handle: RequestHandle) -> None:
        """Drop the rows of a ticket that have not run yet; one that runs now is run to its end and thrown away."""
        with self._changed:
            queue = self._queues.get(_key(handle))
            if queue is not None:
                queue.discard(handle)

    def _loop(self) -> None:
        while True:
            batch: Batch = []
            try:
                batch = self._next_batch()
                self._run(batch)
            except BaseException:  # without this thread the worker would be alive and useless
                logger.exception("the engine stumbled")
                for handle, _ in batch:
                    handle.fail(TriptychError())

    def _next_batch(self) -> Batch:
        """Wait for rows and return the next batch."""
        with self._changed:
            while not (batch := self._take()):
                self._changed.wait()
            return batch

    def _take(self) -> Batch:
        """Return the next batch, or an empty one; models take turns, and so does each job that must be alone."""
        for key in list(self._queues):
            queue = self._queues[key]
            batch = queue.take()
            del self._queues[key]
            if len(queue):
                self._queues[key] = queue  # the back of the line
            if batch:
                return batch
        return []

    def _run(self, batch: Batch) -> None:
        """Run a batch; if that fails, run each job's rows by themselves, so that only the culprit fails."""
        try:
            self._infer(batch)
        except BaseException as error:  # a MemoryError or SystemExit in a model call must not end the thread
            handles = list(dict.fromkeys(handle for handle, _ in batch))
            if len(handles) == 1:
                logger.exception("model call failed", extra={"model": handles[0].model.name})
                self.cancel(handles[0])
                handles[0].fail(as_job_error(error))
                return
            for handle in handles:
                self._run([(owner, index) for owner, index in batch if owner is handle])

    def _infer(self, batch: Batch) -> None:
        rows = [handle.rows[index] for handle, index in batch]
        started = time.perf_counter()
        handles = {handle for handle, _ in batch}
        for handle in handles:
            handle.started()
        results = self._call(batch[0][0].model, rows)
        elapsed_s = time.perf_counter() - started
        self.stats.count([row.num_tokens for row in rows])
        for handle in handles:
            handle.infer_s += elapsed_s
        for (handle, index), result in zip(batch, results, strict=True):
            handle.settle(index, result)

    def _call(self, model: BatchModel, rows: Sequence[Row]) -> Sequence[Array]:
        self.busy_since = time.monotonic()
        try:
            results = model.run(rows)
        finally:
            self.busy_since = None
        if len(results) != len(rows):
            raise RuntimeError(f"the model answered {len(results)} of {len(rows)} rows")
        return results


def _key(handle: RequestHandle) -> tuple[BatchModel, RequestHandle | None]:
    return handle.model, handle if handle.isolated else None
