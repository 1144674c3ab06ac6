"""A job's events as they happen: server-sent events, read from the job's stream in the store."""

import re
import time
from collections.abc import Iterator

import msgspec
import redis
from flask import Response, request
from gevent.event import Event as Changed

from contracts.errors import TriptychError
from contracts.job_store import JobStore
from contracts.jobs import TERMINAL, Event
from services.gateway.http_errors import BadEventId, TooManyStreams
from services.gateway.job_view import view
from services.gateway.jobs import check_id
from services.gateway.monitor import Monitor
from services.gateway.operations import JOB_ID_PARAMETER, Answer, Operation, Parameter
from services.gateway.settings import GatewaySettings
from services.gateway.waiting import WakeUps

KEEPALIVE_S = 15.0
_EVENT_ID = re.compile(r"[0-9]{1,15}(-[0-9]{1,15})?")
_NUMBERS = frozenset({"attempt", "done", "total"})


class EventRoutes:
    """The view of a job's events."""

    def __init__(self, settings: GatewaySettings, store: JobStore, monitor: Monitor, wake_ups: WakeUps) -> None:
        self._max_streams = settings.max_streams
        self._store = store
        self._monitor = monitor
        self._wake_ups = wake_ups
        self._num_streams = 0

    def events(self, tenant: str, job_id: str) -> Response:
        """Answer the job's events from the beginning, or after one that the client names, until its end."""
        check_id(job_id)
        after = _starting_point()
        job = self._store.read(job_id, tenant)
        if job.finished and after != "0" and not self._store.events(job_id, after):
            # By the standard, 204 is what makes a browser's EventSource stop coming back.
            return Response(status=204)
        if self._num_streams >= self._max_streams:
            raise TooManyStreams
        self._num_streams += 1
        response = Response(self._stream(job_id, tenant, after), mimetype="text/event-stream")
        # Not in the generator's own `finally`: a client may be gone before the generator has started.
        response.call_on_close(self._release)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"
        return response

    def _release(self) -> None:
        self._num_streams -= 1

    def _stream(self, job_id: str, tenant: str, after: str) -> Iterator[bytes]:
        with self._wake_ups.watch(job_id) as changed:
            try:
                yield from self._tell(job_id, tenant, after, changed)
            except (redis.RedisError, TriptychError):
                # The status line is long sent. A client that reconnects learns from it what is wrong.
                return

    def _tell(self, job_id: str, tenant: str, after: str, changed: Changed) -> Iterator[bytes]:
        written_at = time.monotonic()
        while not self._wake_ups.closing:
            self._monitor.check_store()
            events = self._store.events(job_id, after)
            for event in events:
                yield self._frame(event, job_id, tenant)
                after, written_at = event.id, time.monotonic()
                if event.name in TERMINAL:
                    return
            if not events:
                # Raises when the job was purged meanwhile, and its events with it.
                if self._store.read(job_id, tenant).finished and not self._store.events(job_id, after):
                    return
                if time.monotonic() - written_at >= KEEPALIVE_S:
                    yield b": keepalive\n\n"
                    written_at = time.monotonic()
                self._wake_ups.pause(changed, KEEPALIVE_S)

    def _frame(self, event: Event, job_id: str, tenant: str) -> bytes:
        data: object = {name: int(text) if name in _NUMBERS else text for name, text in event.fields.items()}
        if event.name in TERMINAL:
            data = view(self._store.read(job_id, tenant), None)
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.name.encode(), msgspec.json.encode(data))

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            Operation(
                method="GET",
                path="/v1/jobs/{job_id}/events",
                view=self.events,
                tag="Jobs",
                summary="Follow a job by server-sent events",
                description="Events: `queued`, `started`, `progress`, `cancelling`, and one of `succeeded`, `failed`, "
                "`cancelled`, `expired`, which carries the whole job and ends the stream. A comment every 15 seconds "
                "keeps the connection alive.",
                answers={
                    200: Answer("The events.", str, "text/event-stream"),
                    204: Answer("The job has ended and you have seen all of its events."),
                },
                parameters=(
                    JOB_ID_PARAMETER,
                    Parameter("Last-Event-ID", "header", str, "Only events after this one."),
                    Parameter("starting_after", "query", str, "The same, for clients that can't set headers."),
                ),
                errors=(400,),
            )
        ]


def _starting_point() -> str:
    after = request.headers.get("Last-Event-ID") or request.args.get("starting_after") or "0"
    if not _EVENT_ID.fullmatch(after):
        raise BadEventId("Expected the id of an event of this job.", param="Last-Event-ID")
    return after
