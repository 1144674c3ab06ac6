"""The decoding engine: one inference thread that generates the texts of all jobs by continuous batching.

The tasks of jobs submit requests and await the handles. Each model has its own scheduler, and the schedulers take
turns, a step each. Steps 5 and 6 on the path of a job.
"""

import logging
import queue
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from contracts.figures import GenerationFigures
from contracts.generation import TextDelta
from contracts.jobs import Flow
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.flush import Flush
from workers.runtime.decoding.handle import GenerationHandle, StreamTransform
from workers.runtime.decoding.metrics import DecodingMetrics
from workers.runtime.decoding.model import DecodingModel
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.scheduling.saved_memory import SavedMemory
from workers.runtime.decoding.scheduling.scheduler import Deltas, Scheduler
from workers.runtime.engine.engine import NoteCall, note_nothing
from workers.runtime.engine.figures import EngineFigures

logger = logging.getLogger(__name__)
MAX_UNSTARTED = 8
"""Jobs in hand of which nothing has started. The others are better left in the store, where another worker finds them.
Jobs that have started don't count, however many of their sequences wait: the others share the slots with them."""


class TokenSink(Protocol):
    """Publishes the deltas of running jobs, and stops the attempts at jobs that were cancelled or expired."""

    def emit(self, deltas: dict[Attempt, list[TextDelta]]) -> None:
        """Publish what each running job generated since the last call, possibly nothing. Must not block."""
        ...

    def flush(self, attempt: Attempt) -> Flush:
        """Return what is finished once all deltas of an attempt are published."""
        ...


class _Message(NamedTuple):
    handle: GenerationHandle
    cancel: bool


class DecodingEngine:
    """Owns the inference thread. All public methods can be called from any thread.

    Args:
        sink: gets what is generated.
        note_call: is told whose sequences are in a call, whenever they change.
    """

    def __init__(self, sink: TokenSink, note_call: NoteCall = note_nothing) -> None:
        self._sink = sink
        self._note_call = note_call
        self._metrics = DecodingMetrics()
        self._saved_memory = SavedMemory()
        self._schedulers: dict[DecodingModel, Scheduler] = {}
        # Weak, because the figures must not keep a replaced version of a model in memory.
        self._models: weakref.WeakSet[DecodingModel] = weakref.WeakSet()
        # Other threads only leave messages here, so that schedulers and caches need no locks.
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._when_wanted: Callable[[], None] = lambda: None
        # A daemon, because its loop never ends.
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def register(self, model: DecodingModel) -> None:
        """Count a model's cache among the figures for as long as the model is in memory."""
        # A new set each time: the heartbeat's thread may iterate over the old one while the reload thread adds a model.
        self._models = weakref.WeakSet([*self._models, model])

    def limit_saved(self, max_bytes: int) -> None:
        """Set how much host memory sequences of all models may take while more urgent ones have their slots."""
        self._saved_memory.max_bytes = max_bytes

    def submit(
        self,
        model: DecodingModel,
        requests: Sequence[GenerationRequest],
        attempt: Attempt,
        transform: StreamTransform | None = None,
    ) -> GenerationHandle:
        """Queue the requests of one job. Only jobs of the same ``attempt.group`` share its model calls.

        Args:
            model: generates all of them.
            requests: may be empty.
            attempt: at the job.
            transform: what the job streams; None: the deltas as they are.
        """
        handle = GenerationHandle(model, requests, attempt, transform)
        if requests:
            self._inbox.put(_Message(handle, cancel=False))
        return handle

    def cancel(self, handle: GenerationHandle) -> None:
        """Drop the sequences of a request. A step that runs now is finished, and its tokens are thrown away."""
        # Every attempt cancels its handles at its end; nearly all are finished by then, and need no message.
        if not handle.finished:
            self._inbox.put(_Message(handle, cancel=True))

    def flush(self, attempt: Attempt) -> Flush:
        """Return what is finished once all deltas of an attempt are published.

        A task awaits it, because deltas that come after the event that ends its job are refused.
        """
        return self._sink.flush(attempt)

    def num_wanted(self) -> int:
        """Return how many more jobs may wait here until they start."""
        return max(0, MAX_UNSTARTED - self._num_unstarted() - self._inbox.qsize())

    def waiting_flows(self) -> set[Flow]:
        """Return the flows of which requests wait for slots, paused ones included."""
        return {flow for scheduler in list(self._schedulers.values()) for flow in scheduler.waiting_flows}

    def when_wanted(self, call: Callable[[], None]) -> None:
        """Set what is called when the engine wants jobs again, by its inference thread. It must be cheap."""
        self._when_wanted = call

    def figures(self) -> EngineFigures:
        """Return what the engine has done so far, and how full the caches are. Lengths are new tokens of a call."""
        return self._metrics.calls.figures(self._generation())

    def _generation(self) -> GenerationFigures:
        # The inference thread changes these meanwhile: list() copies each in one go.
        schedulers, caches = list(self._schedulers.values()), [model.cache for model in list(self._models)]
        return GenerationFigures(
            tokens_in=self._metrics.tokens_in,
            tokens_out=self._metrics.tokens_out,
            rows_running=sum(scheduler.num_running for scheduler in schedulers),
            rows_waiting=sum(scheduler.num_waiting for scheduler in schedulers),
            cache_tokens=sum(cache.tokens_held for cache in caches),
            pauses=self._metrics.pauses,
            cache_max_tokens=sum(cache.capacity_tokens for cache in caches),
            first_token=self._metrics.first_token.read(),
            token_gap=self._metrics.token_gap.read(),
        )

    def _num_unstarted(self) -> int:
        return sum(scheduler.num_unstarted for scheduler in list(self._schedulers.values()))

    def _run(self) -> None:
        while True:
            try:
                # Block only while nothing is left to do; otherwise take what has arrived, and go on.
                while not self._schedulers or not self._inbox.empty():
                    self._take(self._inbox.get())
                self._step_all()
            except BaseException:  # without this thread the worker would look alive and do nothing
                logger.exception("the engine loop failed")

    # No local variable of `_run` may refer to a model. It would keep a replaced version in memory for as long as the
    # thread waits for work, so everything that does is in the methods below.

    def _take(self, message: _Message) -> None:
        handle = message.handle
        scheduler = self._schedulers.get(handle.model)
        if message.cancel:
            if scheduler is not None:
                scheduler.remove(handle)
            return
        if scheduler is None:
            scheduler = self._schedulers[handle.model] = Scheduler(
                handle.model, self._metrics, self._note_call, self._saved_memory
            )
        scheduler.add(handle)

    def _step_all(self) -> None:
        num_unstarted = self._num_unstarted()
        for model, scheduler in list(self._schedulers.items()):
            try:
                scheduler.step(partial(self._emit, scheduler))
            except BaseException as error:  # a bug of ours, and no job may wait for ever because of it
                logger.exception("a scheduler step failed", extra={"model": model.name})
                for handle in scheduler.handles:
                    scheduler.fail(handle, error)
            if not scheduler:
                del self._schedulers[model]
        if not self._schedulers:
            self._note_call(())
        if self._num_unstarted() < num_unstarted:
            self._when_wanted()

    def _emit(self, scheduler: Scheduler, deltas: Deltas) -> None:
        """Emit the deltas of a step. Jobs without any are included, because the sink finds out which jobs must stop."""
        by_attempt: dict[Attempt, list[TextDelta]] = {handle.attempt: [] for handle in scheduler.handles}
        for handle, delta in deltas:
            by_attempt.setdefault(handle.attempt, []).append(delta)
        self._sink.emit(by_attempt)
