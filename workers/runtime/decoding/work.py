"""What a task of a text generator sees of the job it works on: write texts, and how long that took."""

import time
from collections.abc import Sequence

import msgspec

from contracts.jobs import Timings
from workers.runtime.control import Control, await_ticket, milliseconds
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.order import Order, Written
from workers.runtime.decoding.row import DecodingModel
from workers.runtime.decoding.ticket import Ticket

FLUSH_S = 10.0
"""Longest wait for a job's last pieces to be told. Only a store that is out of reach takes that long, and it would not
take the job's end either."""


class DecodingWork:
    """One attempt at one job. It begins when this is made."""

    def __init__(self, engine: DecodingEngine, control: Control) -> None:
        self._engine = engine
        self._control = control
        self._started = time.perf_counter()
        self._submitted = self._written = self._started
        self._ticket: Ticket | None = None

    def write(self, model: DecodingModel, orders: Sequence[Order]) -> list[Written]:
        """Write texts, side by side with those of other jobs; return them in the order of ``orders``.

        Raises:
            ExecutionTimeout: the job took longer than its ``timeout_s``.
            Stopped: the job is no longer this worker's.
            TriptychError: a model call failed.
        """
        self._submitted = time.perf_counter()
        ticket = self._ticket = self._engine.submit(model, orders, self._control)
        try:
            await_ticket(ticket, self._control, self._started)
        finally:
            self._engine.cancel(model, ticket)
        self._written = time.perf_counter()
        texts = ticket.results()
        if any(order.stream for order in orders):
            # What is not told by now comes with the job's end: its output is whole, whatever the events have told.
            self._engine.flush(self._control, FLUSH_S)
        return texts

    def timings(self) -> bytes:
        """Return the JSON of ``Timings`` up to now."""
        ticket, before_s = self._ticket, self._submitted - self._started
        timings = Timings(
            tokenize_ms=milliseconds(before_s),
            batch_wait_ms=milliseconds(ticket.wait_s) if ticket else 0.0,
            infer_ms=milliseconds(ticket.infer_s) if ticket else 0.0,
            post_ms=milliseconds(time.perf_counter() - self._written),
            first_token_ms=milliseconds(before_s + ticket.first_token_s) if ticket else 0.0,
        )
        return msgspec.json.encode(timings)
