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
from contracts.generation import Piece
from workers.runtime.attempts.control import Control
from workers.runtime.decoding.handle import Telling, Ticket
from workers.runtime.decoding.metrics import Counts
from workers.runtime.decoding.request import Order
from workers.runtime.decoding.scheduler import Loop, Told
from workers.runtime.decoding.sequence_group import DecodingModel
from workers.runtime.inference.stats import Stats

logger = logging.getLogger(__name__)


class Audience(Protocol):
    """Whoever tells clients what their jobs have grown by, and finds out which jobs must stop."""

    def tell(self, growth: dict[Control, list[Piece]]) -> None:
        """Take what each running job has grown by since the last call, maybe nothing. Must not block."""
        ...

    def flush(self, control: Control, timeout_s: float) -> bool:
        """Wait until all that a job has grown by is told; return whether it is."""
        ...


class _Request(NamedTuple):
    model: DecodingModel
    ticket: Ticket
    cancel: bool


class DecodingEngine:
    """Owns the inference thread. All public methods can be called from any thread."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._counts = Counts()
        self._loops: dict[DecodingModel, Loop] = {}
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
        self, model: DecodingModel, orders: Sequence[Order], control: Control, telling: Telling | None = None
    ) -> Ticket:
        """Queue the texts of one job. With ``control.alone`` no other job's texts share its model calls."""
        ticket = Ticket(orders, control, telling)
        if orders:
            self._inbox.put(_Request(model, ticket, cancel=False))
        return ticket

    def cancel(self, model: DecodingModel, ticket: Ticket) -> None:
        """Drop the texts of a ticket; a step that runs now is run to its end. A finished ticket has none."""
        if not ticket.finished:
            self._inbox.put(_Request(model, ticket, cancel=True))

    def flush(self, control: Control, timeout_s: float) -> None:
        """Wait until clients were told all that a job has grown by, so that its end comes after it."""
        self._audience.flush(control, timeout_s)

    def generation(self) -> GenerationFigures:
        """Return what has been done, and how full the caches are."""
        loops, caches = list(self._loops.values()), [model.cache for model in list(self._models)]
        return GenerationFigures(
            tokens_in=self._counts.tokens_in,
            tokens_out=self._counts.tokens_out,
            rows_running=sum(loop.num_running for loop in loops),
            rows_waiting=sum(loop.num_waiting for loop in loops),
            cache_tokens=sum(cache.tokens_held for cache in caches),
            cache_max_tokens=sum(cache.capacity_tokens for cache in caches),
            first_token=self._counts.first_token.read(),
            token_gap=self._counts.token_gap.read(),
        )

    def _run(self) -> None:
        while True:
            try:
                while not self._loops or not self._inbox.empty():
                    self._take(self._inbox.get())
                self._turns()
            except BaseException:  # without this thread the worker would be alive and useless
                logger.exception("the engine stumbled")

    # What holds a model must not outlive these methods: an old version is let go while the thread waits for work.

    def _take(self, request: _Request) -> None:
        loop = self._loops.get(request.model)
        if request.cancel:
            if loop is not None:
                loop.drop(request.ticket)
            return
        if loop is None:
            loop = self._loops[request.model] = Loop(request.model, self._counts)
        loop.add(request.ticket)

    def _turns(self) -> None:
        for model, loop in list(self._loops.items()):
            try:
                loop.turn(partial(self._tell, loop))
            except BaseException as error:  # a fault of ours, and nobody may wait for ever because of it
                logger.exception("a turn failed", extra={"model": model.name})
                for ticket in loop.tickets:
                    loop.end(ticket, error)
            if not loop:
                del self._loops[model]

    def _tell(self, loop: Loop, told: Told) -> None:
        """Hand on what has grown, and which other jobs are there, so that it is found out whether they must stop."""
        growth: dict[Control, list[Piece]] = {ticket.control: [] for ticket in loop.tickets}
        for ticket, piece in told:
            growth.setdefault(ticket.control, []).append(piece)
        self._audience.tell(growth)
