"""Submits jobs whose texts are streamed to the client while they are generated.

A client that disconnects cancels its job, since no other client knows its id. A client that sent an Idempotency-Key
does not: it may come back with the key for the same job, and others with the key may follow that job already.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from flask import Response, request

from contracts.jobs import Job
from contracts.store.job_reader import JobReader
from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.prefer import Preference
from services.gateway.http.request_facts import current_facts
from services.gateway.http.responses import event_stream_response
from services.gateway.jobs.deliveries import Deliveries
from services.gateway.jobs.new_job import SubmitRequest
from services.gateway.jobs.responses import accepted, with_job_headers
from services.gateway.jobs.submitter import Submitter
from services.gateway.streaming.events import stream_events
from services.gateway.streaming.follower import Follower
from services.gateway.streaming.limit import StreamLimit
from services.gateway.streaming.response import StreamFormatter, StreamResponse


class StreamSubmitter:
    """Submits jobs and streams their texts."""

    def __init__(
        self,
        *,
        reader: JobReader,
        submitter: Submitter,
        follower: Follower,
        limit: StreamLimit,
        deliveries: Deliveries,
        max_wait_s: float,
    ) -> None:
        self._reader = reader
        self._submitter = submitter
        self._follower = follower
        self._limit = limit
        self._deliveries = deliveries
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
            result = self._submitter.submit(replace(submit, follows=True))
            job = result.job
            # A job that was made for this request names this process already.
            is_followed = not result.replayed
            events = stream_events(self._follower, self._reader, job.id, submit.tenant, is_followed=is_followed)
            note = partial(self._deliveries.note, facts=current_facts())
            cancel = partial(self._submitter.abandon, submit, job.id)
            stream = StreamResponse(events, formatter_of(job), disconnected, cancel, note)
            started = stream.start(preference.wait_s if preference.applied else self._max_wait_s)
            if not started and preference.applied:
                now = self._submitter.result_of(submit, self._reader.read(job.id, submit.tenant))
                return accepted(replace(now, replayed=result.replayed), preference.applied)
            stack.callback(stream.close)
            response = event_stream_response(stream.frames(), stack.pop_all().close)
        return with_job_headers(response, result, preference.applied)
