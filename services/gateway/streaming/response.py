"""The stream of one client: turns the stream events of a job into server-sent events in the format of the route.

Before the first byte an error is a response with its status; afterwards it is the last item of the stream.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol

import redis

from contracts.errors import TriptychError, Unavailable
from contracts.generation import TextDelta
from contracts.jobs import Job
from contracts.store.problems import problem_of
from services.gateway.http.errors import ClientDisconnected, GatewayStopping
from services.gateway.jobs.outputs.result import error_of
from services.gateway.streaming import sse
from services.gateway.streaming.events import Failed, Finished, Retried, StreamEvent

logger = logging.getLogger(__name__)


class StreamFormatter(Protocol):
    """The format of one route's stream. Methods return the JSON of the items to send."""

    def format_deltas(self, deltas: list[TextDelta]) -> list[bytes]:
        """Return the items for new deltas."""
        ...

    def format_end(self, end: Finished) -> list[bytes]:
        """Return the items that are still missing, and those that end the stream."""
        ...

    def format_error(self, error: TriptychError) -> bytes:
        """Return the item that ends the stream early."""
        ...


class StreamResponse:
    """One client's stream. The view calls ``start``; the server then reads ``frames`` and always calls ``close``."""

    def __init__(
        self,
        events: Iterator[StreamEvent],
        formatter: StreamFormatter,
        disconnected: Callable[[], bool],
        cancel: Callable[[], None],
        note_delivery: Callable[[Job], Job],
    ) -> None:
        self._events = events
        self._formatter = formatter
        self._disconnected = disconnected
        self._cancel = cancel
        self._note_delivery = note_delivery
        self._first: list[StreamEvent] = []
        self._complete = False

    def start(self, wait_s: float) -> bool:
        """Wait until there is something to send, so that an error before that has a status. Return False if too late.

        Raises:
            TriptychError: the job has ended without a text, or the client has disconnected; then it is cancelled.
            redis.RedisError: the store is out of reach; the job is cancelled as soon as it answers again.
        """
        deadline = time.monotonic() + wait_s
        try:
            for event in self._events:
                if isinstance(event, Failed):
                    self._note_delivery(event.job)
                    raise error_of(event.job)
                if event is not None and not isinstance(event, Retried):
                    self._first = [event]
                    return True
                if self._disconnected():
                    raise ClientDisconnected
                if time.monotonic() >= deadline:
                    return False
        except GatewayStopping as error:
            # The client has received nothing, so it can send the request to another gateway. A new error, because the
            # message of this one says where the job can be followed.
            self._cancel()
            raise GatewayStopping from error
        except (ClientDisconnected, Unavailable, redis.RedisError):
            # The client gets an error without the job's id, so no client could ever read this job.
            self._cancel()
            raise
        return False

    def frames(self) -> Iterator[bytes]:
        """Yield the bytes to send."""
        # "Long ago", so that a stream without a first delta begins with a comment, by which the client sees that its
        # request was accepted.
        sent_at = -math.inf
        try:
            for event in chain(self._first, self._events):
                # Checked only if there is nothing to send: a write would fail if the client has disconnected.
                if event is None and self._disconnected():
                    return
                frame = self._frame(event)
                if not frame and time.monotonic() - sent_at >= sse.KEEPALIVE_S:
                    frame = sse.KEEPALIVE
                if frame:
                    yield frame
                    sent_at = time.monotonic()
            return
        except TriptychError as error:
            failure = error
        except redis.RedisError as error:
            failure = Unavailable(f"{problem_of(error).sentence} The job may go on.")
        except Exception:
            # Otherwise gunicorn would close the connection, which looks to the client like a fault of the network.
            logger.exception("a stream ended with an unexpected error")
            failure = TriptychError()
        # An error frame marks the stream as complete, and then the job of a disconnected client would not be cancelled.
        if not self._disconnected():
            yield self._error_frame(failure)

    def close(self) -> None:
        """End the stream. If it was not sent to its end, the client has disconnected, and the job is cancelled."""
        if not self._complete:
            self._complete = True
            self._cancel()

    def _frame(self, event: StreamEvent) -> bytes:
        if event is None:
            return b""
        if isinstance(event, Retried):
            return sse.comment(f"attempt {event.attempt}: the job is retried; no text is sent twice")
        if isinstance(event, Failed):
            self._note_delivery(event.job)
            return self._error_frame(error_of(event.job))
        if isinstance(event, Finished):
            frame = sse.events(self._formatter.format_end(event), event.event_id)
            self._complete = True
            self._note_delivery(event.job)
            return frame
        return sse.events(self._formatter.format_deltas(event.deltas), event.event_id)

    def _error_frame(self, error: TriptychError) -> bytes:
        self._complete = True
        return sse.event(self._formatter.format_error(error))
