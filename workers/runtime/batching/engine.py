"""The batching engine: one inference thread that turns the waiting rows of many jobs into model calls.

The intake submits the rows of a job, whose task awaits the handle. While one model call runs, more rows arrive, so
batches form by themselves under load, and a job that is alone never waits for others. Steps 5 and 6 on the path of a
job.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar, cast

from contracts.errors import TriptychError
from contracts.jobs import Flow
from contracts.recent_flows import RecentFlows
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.failures import as_job_error
from workers.runtime.batching.crowd import is_crowded
from workers.runtime.batching.row_queue import MIXED_BATCHES, SINGLE_ROWS, Row, RowQueue
from workers.runtime.engine.engine import NoteCall, note_nothing
from workers.runtime.engine.figures import CallCounter, EngineFigures
from workers.runtime.engine.handle import RequestHandle
from workers.runtime.inference.session import Array

logger = logging.getLogger(__name__)
LEAST_MISSING = 1 / MIXED_BATCHES
"""Of what should wait: the room of one batch. To take jobs for less, a call of the store would bring a single one."""
MEMORY_JOBS = 8
"""How many of the last jobs say how large the next ones will be."""
ModelRow = TypeVar("ModelRow", bound=Row)
Row_contra = TypeVar("Row_contra", bound=Row, contravariant=True)


class BatchModel(Protocol[Row_contra]):
    """A model that answers a batch of rows in one call. Compared and hashed by identity."""

    name: str
    max_batch_length: int
    """Most rows x longest row of one call. A single row may be longer."""
    max_shared_length: int
    """The same while one flow keeps the worker busy, and another one, that has little, may come while its call runs."""
    max_padding: float
    """Most padded length of a batch, as a multiple of the sum of its rows' lengths."""
    pair_cost: float
    """What a pair of a row's tokens takes, as a multiple of what a token does; 0 if that is not known."""

    def fits(self, num_rows: int, longest: int) -> bool:
        """Return whether a call with so many rows, padded to the longest, stays within the memory for calls.

        A single row that was submitted may always run. If a call does not fit, larger ones do not fit either.
        """
        ...

    def run(self, rows: Sequence[Row_contra]) -> Sequence[Array]:
        """Run one model call; return one array for each row, in order. Only the inference thread calls this."""
        ...


BatchHandle = RequestHandle[BatchModel[Any], Row, Array]
Batch = list[tuple[BatchHandle, int]]
"""Rows by their handle and their index in it. All are of one model, and share a batch key."""
QueueKey = tuple[BatchModel[Any], str]
"""A model, and the group of suspects or an empty text."""


class BatchingEngine:
    """Owns the inference thread. All public methods can be called from any thread.

    ``note_call`` is told whose rows are in each call.
    """

    def __init__(self, note_call: NoteCall = note_nothing) -> None:
        self._note_call = note_call
        self._calls = CallCounter()
        self._changed = threading.Condition()
        # By the model itself and not by its name: rows of two versions must never share a call.
        self._queues: dict[QueueKey, RowQueue[BatchHandle]] = {}
        self._has_overtaken = False
        """Whether the last batch was of a model whose turn it was not."""
        self._flows = RecentFlows()
        self._fill_per_job = 1 / SINGLE_ROWS
        """Of late: by how much the rows of a job fill what should wait."""
        self._when_wanted: Callable[[], None] = lambda: None
        # A daemon, because a model call can't be interrupted and must not delay the end of the process.
        self._thread = threading.Thread(target=self._loop, name="inference", daemon=True)
        self._thread.start()

    def submit(self, model: BatchModel[ModelRow], rows: Sequence[ModelRow], attempt: Attempt) -> BatchHandle:
        """Queue the rows of one job. Only jobs of the same ``attempt.group`` share its model calls."""
        handle: BatchHandle = RequestHandle(model, rows, attempt)  # of the generic type itself, which is faster to make
        key = _key(handle)
        with self._changed:
            self._flows.note(attempt.flow)
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = RowQueue(
                    max_batch_length=model.max_batch_length,
                    max_padding=model.max_padding,
                    fits=model.fits,
                    pair_cost=model.pair_cost,
                )
            fill = queue.add(handle, rows, attempt.flow, attempt.claim.share)
            self._fill_per_job += (fill - self._fill_per_job) / MEMORY_JOBS
            self._changed.notify()  # not notify_all: only the inference thread waits
        return handle

    def cancel(self, handle: BatchHandle) -> None:
        """Drop the rows of a request that have not run yet. A row that runs now is finished and thrown away."""
        if handle.finished:
            return
        with self._changed:
            queue = self._queues.get(_key(handle))
            if queue is not None:
                queue.discard(handle)

    def num_wanted(self) -> int:
        """Return how many more jobs fill what should wait while a call runs; 0 if nearly enough waits."""
        with self._changed:
            return self._num_wanted()

    def waiting_flows(self) -> set[Flow]:
        """Return the flows of which rows wait while a call runs."""
        with self._changed:
            return {cast("Flow", flow) for queue in self._queues.values() for flow in queue.flows}

    def when_wanted(self, call: Callable[[], None]) -> None:
        """Set what is called when the engine wants jobs again, by its inference thread. It must be cheap."""
        self._when_wanted = call

    def figures(self) -> EngineFigures:
        """Return how many batches and rows have run so far."""
        return self._calls.figures()

    def _loop(self) -> None:
        while True:
            # Emptied before the wait: the last batch would keep a replaced model in memory until rows arrive.
            batch: Batch = []
            try:
                batch = self._next_batch()
                self._run(batch)
            except BaseException:  # without this thread, the worker would take jobs and never answer them
                logger.exception("the batching engine failed outside of a model call")
                for handle, _ in batch:
                    handle.fail(TriptychError())

    def _next_batch(self) -> Batch:
        """Wait for rows and return the next batch."""
        with self._changed:
            while not (batch := self._take_batch()):
                self._changed.wait()
            wants_jobs = self._num_wanted() > 0
        if wants_jobs:
            self._when_wanted()
        return batch

    def _num_wanted(self) -> int:
        missing = 1 - sum(queue.fill for queue in self._queues.values())
        return 0 if missing < LEAST_MISSING else math.ceil(missing / max(self._fill_per_job, 1e-6))

    def _take_batch(self) -> Batch:
        """Return the next batch, or an empty one; models take turns, and so does each group of suspects.

        An interactive row does not wait for calls of other models, but they have every second one.
        """
        keys = list(self._queues)
        if len(keys) > 1 and not self._has_overtaken:
            keys.sort(key=self._is_urgent, reverse=True)  # keeps the order of equals
        self._has_overtaken = bool(keys) and keys[0] != next(iter(self._queues))
        is_short = self._flows.are_several() and not is_crowded(
            (queue.lengths, model.max_shared_length) for (model, _), queue in self._queues.items()
        )
        for key in keys:
            queue = self._queues.pop(key)
            batch = queue.take(key[0].max_shared_length if is_short else math.inf)
            # A queue that is empty must go: its key holds a model, which may be an old version that nobody uses.
            if len(queue):
                self._queues[key] = queue  # at the end of the line
            if batch:
                return batch
        return []

    def _is_urgent(self, key: QueueKey) -> bool:
        """Return whether interactive rows wait, and no suspects."""
        flows = cast("Collection[Flow]", self._queues[key].flows)
        return not key[1] and any(lane == "interactive" for lane, _ in flows)

    def _run(self, batch: Batch) -> None:
        """Run a batch; if that fails, run each job's rows by themselves, so that only the job at fault fails."""
        try:
            self._infer(batch)
        except BaseException as error:  # a MemoryError or SystemExit in a model call must not end the thread
            handles = list(dict.fromkeys(handle for handle, _ in batch))
            if len(handles) == 1:
                # The job has failed, so nobody would read the results of its other rows.
                about = {"model": handles[0].model.name, **handles[0].attempt.claim.log_fields}
                logger.exception("model call failed", extra=about)
                self.cancel(handles[0])
                handles[0].fail(as_job_error(error))
                return
            for handle in handles:
                self._run([(owner, index) for owner, index in batch if owner is handle])

    def _infer(self, batch: Batch) -> None:
        rows = [handle.items[index] for handle, index in batch]
        handles = {handle for handle, _ in batch}
        for handle in handles:
            handle.mark_scheduled()
        started = time.perf_counter()
        self._note_call({handle.attempt.claim.id for handle in handles})
        try:
            with self._calls.running([row.length for row in rows]):
                results = batch[0][0].model.run(rows)
        finally:
            self._note_call(())
        if len(results) != len(rows):
            raise RuntimeError(f"the model returned {len(results)} results for {len(rows)} rows")
        elapsed_s = time.perf_counter() - started
        counts = self._calls.models[batch[0][0].model.name]
        counts.read_s += elapsed_s
        for handle in handles:
            handle.infer_s += elapsed_s
        for (handle, index), row, result in zip(batch, rows, results, strict=True):
            counts.count_row(handle.attempt.counts, row.length)
            handle.set_result(index, result)


def _key(handle: BatchHandle) -> QueueKey:
    return handle.model, handle.attempt.group
