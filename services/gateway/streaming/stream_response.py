"""Telling a client a job's texts while they are written: server-sent events in the words of the route.

Before the first byte a failure is an answer with a status; afterwards it is the last item of the stream. A client that
goes away cancels its job, which nobody else knows of, unless it sent an Idempotency-Key: such a client may come back
with the key to meet the same job, and others may follow it already.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Protocol

import gevent
import redis
from flask import Response, request

from contracts.errors import TriptychError, Unavailable
from contracts.generation import TextDelta
from contracts.jobs import Job
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from services.gateway.http import client_gone
from services.gateway.http.errors import ClientGone, GatewayStopping
from services.gateway.http.prefer import Preference
from services.gateway.jobs.routes import accepted, with_job_headers
from services.gateway.jobs.submit import Ask, Submitter
from services.gateway.streaming import sse
from services.gateway.streaming.follower import Follower
from services.gateway.streaming.stream_events import Again, Ended, Sign, signs
from services.gateway.streaming.stream_limit import StreamLimit

logger = logging.getLogger(__name__)
CANCEL_AGAIN_S = 1.0
MAX_CANCELS = 300
"""How often a cancel is tried while the store is out of reach; a job's deadline may be far away."""


class Dialect(Protocol):
    """How a route says it: each method returns the JSON of the items to send."""

    def grown(self, pieces: list[TextDelta]) -> list[bytes]:
        """Say what the texts have grown by."""
        ...

    def ended(self, end: Ended) -> list[bytes]:
        """Say what is still missing, and that this is all."""
        ...

    def broke(self, error: TriptychError) -> bytes:
        """Say why there is no more."""
        ...


class Teller:
    """Submits a job and tells its texts."""

    def __init__(
        self,
        *,
        reader: JobReader,
        writer: JobWriter,
        submitter: Submitter,
        follower: Follower,
        limit: StreamLimit,
        max_wait_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._submitter = submitter
        self._follower = follower
        self._limit = limit
        self._max_wait_s = max_wait_s

    def answer(self, ask: Ask, preference: Preference, dialect_of: Callable[[Job], Dialect]) -> Response:
        """Answer with a stream, once there is something to tell; raise what ends the job before.

        A client that set a time for the wait in ``Prefer`` is answered with the job when it is over.
        """
        with ExitStack() as stack:
            stack.enter_context(self._limit.taken())
            gone = client_gone.watcher(request)
            outcome = self._submitter.submit(ask)
            job = outcome.job

            def cancel() -> None:
                if ask.idempotency_key is None:
                    self._cancel(job.id, ask.tenant)

            telling = Telling(signs(self._follower, self._reader, job.id, ask.tenant), dialect_of(job), gone, cancel)
            begun = telling.begin(preference.wait_s if preference.applied else self._max_wait_s)
            if not begun and preference.applied:
                return accepted(outcome, preference.applied)
            response = Response(telling.frames(), mimetype="text/event-stream")
            stack.callback(telling.close)
            # Not in the generator's own `finally`: a client may be gone before the generator has started.
            response.call_on_close(stack.pop_all().close)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"
        return with_job_headers(response, outcome, preference.applied)

    def _cancel(self, job_id: str, tenant: str, num_tries: int = MAX_CANCELS) -> None:
        """Cancel the job of a client that has gone; if the store has no time for it now, later: nobody else will."""
        try:
            self._writer.cancel(job_id, tenant)
        except TriptychError:
            return
        except redis.RedisError as error:
            if num_tries > 1:
                gevent.spawn_later(CANCEL_AGAIN_S, self._cancel, job_id, tenant, num_tries - 1)
            else:
                logger.warning("job not cancelled: %s", error, extra={"job_id": job_id})


class Telling:
    """One stream. ``begin`` in the view; then ``frames``, and ``close`` whatever happens."""

    def __init__(
        self, found: Iterator[Sign], dialect: Dialect, gone: Callable[[], bool], cancel: Callable[[], None]
    ) -> None:
        self._signs = found
        self._dialect = dialect
        self._gone = gone
        self._cancel = cancel
        self._first: list[Sign] = []
        self._over = False

    def begin(self, wait_s: float) -> bool:
        """Wait for the first thing to tell; return False when there is none in time.

        Raises:
            TriptychError: the job has ended without a text, or the client has gone; then the job is cancelled.
            redis.RedisError: the store is out of reach; the job is cancelled as soon as it is back.
        """
        deadline = time.monotonic() + wait_s
        try:
            for sign in self._signs:
                if sign is not None and not isinstance(sign, Again):
                    self._first = [sign]
                    return True
                if self._gone():
                    raise ClientGone("The client has gone.")
                if time.monotonic() >= deadline:
                    return False
        except GatewayStopping as error:
            # Nothing is told yet, so the client can ask another gateway.
            self._cancel()
            raise GatewayStopping from error
        except (ClientGone, Unavailable, redis.RedisError):
            # A client that is answered an error knows of no job.
            self._cancel()
            raise
        return False

    def frames(self) -> Iterator[bytes]:
        """Yield the bytes to send."""
        written_at = -math.inf
        try:
            for sign in chain(self._first, self._signs):
                if sign is None and self._gone():
                    return
                frame = self._frame(sign)
                if not frame and time.monotonic() - written_at >= sse.KEEPALIVE_S:
                    frame = sse.KEEPALIVE
                if frame:
                    yield frame
                    written_at = time.monotonic()
            return
        except TriptychError as error:
            failure = error
        except redis.RedisError:
            failure = Unavailable("The job store is out of reach. The job may go on.")
        except Exception:
            logger.exception("a stream ended for a reason on our side")
            failure = TriptychError()
        if not self._gone():
            yield self._last(failure)

    def close(self) -> None:
        """End the stream; if it is not told to its end, its client has gone, and the job is cancelled."""
        if not self._over:
            self._over = True
            self._cancel()

    def _frame(self, sign: Sign) -> bytes:
        if sign is None:
            return b""
        if isinstance(sign, Again):
            return sse.comment(f"attempt {sign.attempt}: the job is tried again; what you have is not told twice")
        if isinstance(sign, Ended):
            self._over = True
            return sse.events(self._dialect.ended(sign), sign.event_id)
        return sse.events(self._dialect.grown(sign.pieces), sign.event_id)

    def _last(self, error: TriptychError) -> bytes:
        self._over = True
        return sse.event(self._dialect.broke(error))
