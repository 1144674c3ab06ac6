"""The decoding engine: one inference thread that writes the texts of many jobs side by side, a token each at a time.

Celery threads hand in what a job wants written and wait for its ticket. Each model has its own loop, and models take
turns. Steps 5 and 6 on the path of a job.
"""

import logging
import queue
import threading
import weakref
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Protocol

from contracts.figures import GenerationFigures
from contracts.generation import TextDelta
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.decoding.handle import RequestHandle, Telling
from workers.runtime.decoding.metrics import Counts
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.scheduler import Scheduler, Told
from workers.runtime.decoding.sequence_group import DecodingModel
from workers.runtime.inference.stats import Stats

logger = logging.getLogger(__name__)


class TokenSink(Protocol):
    """Whoever tells clients what their jobs have grown by, and finds out which jobs must stop."""

    def tell(self, growth: dict[Attempt, list[TextDelta]]) -> None:
        """Take what each running job has grown by since the last call, maybe nothing. Must not block."""
        ...

    def flush(self, attempt: Attempt, timeout_s: float) -> bool:
        """Wait until all that a job has grown by is told; return whether it is."""
        ...


class _Request(NamedTuple):
    model: DecodingModel
    handle: RequestHandle
    cancel: bool


class DecodingEngine:
    """Owns the inference thread. All public methods can be called from any thread."""

    def __init__(self, audience: TokenSink) -> None:
        self._audience = audience
        self._counts = Counts()
        self._schedulers: dict[DecodingModel, Scheduler] = {}
        self._models: weakref.WeakSet[DecodingModel] = weakref.WeakSet()
        self._inbox: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> Stats:
        """Model calls, with the new tokens of their rows."""
        return self._counts.calls

    @property
    def busy_since(self) -> float | None:
        """``time.monotonic()`` at the start of the model call that runs now; a watchdog reads it."""
        return self._counts.busy_since

    def know(self, model: DecodingModel) -> None:
        """Count a model's cache among the figures, as long as the model lives."""
        self._models.add(model)

    def submit(
        self,
        model: DecodingModel,
        requests: Sequence[GenerationRequest],
        attempt: Attempt,
        telling: Telling | None = None,
    ) -> RequestHandle:
        """Queue the texts of one job. With ``attempt.isolated`` no other job's texts share its model calls."""
        handle = RequestHandle(requests, attempt, telling)
        if requests:
            self._inbox.put(_Request(model, handle, cancel=False))
        return handle

    def cancel(self, model: DecodingModel, handle: RequestHandle) -> None:
        """Drop the texts of a ticket; a step that runs now is run to its end. A finished ticket has none."""
        if not handle.finished:
            self._inbox.put(_Request(model, handle, cancel=True))

    def flush(self, attempt: Attempt, timeout_s: float) -> None:
        """Wait until clients were told all that a job has grown by, so that its end comes after it."""
        self._audience.flush(attempt, timeout_s)

    def generation(self) -> GenerationFigures:
        """Return what has been done, and how full the caches are."""
        schedulers, caches = list(self._schedulers.values()), [model.cache for model in list(self._models)]
        return GenerationFigures(
            tokens_in=self._counts.tokens_in,
            tokens_out=self._counts.tokens_out,
            rows_running=sum(scheduler.num_running for scheduler in schedulers),
            rows_waiting=sum(scheduler.num_waiting for scheduler in schedulers),
            cache_tokens=sum(cache.tokens_held for cache in caches),
            cache_max_tokens=sum(cache.capacity_tokens for cache in caches),
            first_token=self._counts.first_token.read(),
            token_gap=self._counts.token_gap.read(),
        )

    def _run(self) -> None:
        while True:
            try:
                while not self._schedulers or not self._inbox.empty():
                    self._take(self._inbox.get())
                self._turns()
            except BaseException:  # without this thread the worker would be alive and useless
                logger.exception("the engine stumbled")

    # What holds a model must not outlive these methods: an old version is let go while the thread waits for work.

    def _take(self, request: _Request) -> None:
        scheduler = self._schedulers.get(request.model)
        if request.cancel:
            if scheduler is not None:
                scheduler.drop(request.handle)
            return
        if scheduler is None:
            scheduler = self._schedulers[request.model] = Scheduler(request.model, self._counts)
        scheduler.add(request.handle)

    def _turns(self) -> None:
        for model, scheduler in list(self._schedulers.items()):
            try:
                scheduler.turn(partial(self._tell, scheduler))
            except BaseException as error:  # a fault of ours, and nobody may wait for ever because of it
                logger.exception("a turn failed", extra={"model": model.name})
                for handle in scheduler.handles:
                    scheduler.end(handle, error)
            if not scheduler:
                del self._schedulers[model]

    def _tell(self, scheduler: Scheduler, told: Told) -> None:
        """Hand on what has grown, and which other jobs are there, so that it is found out whether they must stop."""
        growth: dict[Attempt, list[TextDelta]] = {handle.attempt: [] for handle in scheduler.handles}
        for handle, piece in told:
            growth.setdefault(handle.attempt, []).append(piece)
        self._audience.tell(growth)
