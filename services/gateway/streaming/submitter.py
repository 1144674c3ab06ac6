"""Submits jobs whose texts are streamed to the client while they are generated.

A client that disconnects cancels its job, since no other client knows its id. A client that sent an Idempotency-Key
does not: it may come back with the key for the same job, and others with the key may follow that job already.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack

import gevent
import redis
from flask import Response, request

from contracts.errors import TriptychError
from contracts.jobs import Job
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.prefer import Preference
from services.gateway.http.responses import event_stream_response
from services.gateway.jobs.responses import accepted, with_job_headers
from services.gateway.jobs.submitter import SubmitRequest, Submitter
from services.gateway.streaming.events import stream_events
from services.gateway.streaming.follower import Follower
from services.gateway.streaming.limit import StreamLimit
from services.gateway.streaming.response import StreamFormatter, StreamResponse

logger = logging.getLogger(__name__)
CANCEL_RETRY_S = 1.0
MAX_CANCELS = 300
"""How often a cancel is tried while the store is out of reach. Without it the job would run until its deadline."""


class StreamSubmitter:
    """Submits jobs and streams their texts."""

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

    def respond(
        self, submit: SubmitRequest, preference: Preference, formatter_of: Callable[[Job], StreamFormatter]
    ) -> Response:
        """Submit a job and respond with its stream once it has something to send.

        A client that set a time to wait in ``Prefer`` gets the job instead if there is nothing to send in that time.

        Raises:
            TriptychError: the job was not accepted, or it ended before there was anything to send.
        """
        with ExitStack() as stack:
            # Acquired before the submit, so that a request beyond the limit creates no job.
            stack.enter_context(self._limit.acquired(submit.tenant))
            disconnected = disconnect_check(request)
            result = self._submitter.submit(submit)
            job = result.job

            def cancel() -> None:
                if submit.idempotency_key is None:
                    self._cancel(job.id, submit.tenant)

            events = stream_events(self._follower, self._reader, job.id, submit.tenant)
            stream = StreamResponse(events, formatter_of(job), disconnected, cancel)
            started = stream.start(preference.wait_s if preference.applied else self._max_wait_s)
            if not started and preference.applied:
                return accepted(result, preference.applied)
            stack.callback(stream.close)
            response = event_stream_response(stream.frames(), stack.pop_all().close)
        return with_job_headers(response, result, preference.applied)

    def _cancel(self, job_id: str, tenant: str, num_tries: int = MAX_CANCELS) -> None:
        """Cancel the job of a client that has disconnected.

        When many clients disconnect at once, not all cancels get a connection to the store in time. They are tried
        again later: otherwise nothing would stop these jobs before their deadlines.
        """
        try:
            self._writer.cancel(job_id, tenant)
        except TriptychError:
            return  # the job is purged, so there is nothing to cancel
        except redis.RedisError as error:
            if num_tries > 1:
                gevent.spawn_later(CANCEL_RETRY_S, self._cancel, job_id, tenant, num_tries - 1)
            else:
                about = {"job_id": job_id, "error": str(error)}
                logger.warning("the job of a disconnected client was not cancelled", extra=about)
