"""The route of a job's events: server-sent events, read from the job's event stream in the store."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import msgspec
import redis
from flask import Response, request

from contracts.errors import TriptychError
from contracts.jobs import TERMINAL, Event
from contracts.store.job_reader import EVENT_ID, JobReader
from services.gateway.http.disconnect import disconnect_check
from services.gateway.http.errors import BadEventId
from services.gateway.http.operations import JOB_ID_PARAMETER, Operation, Parameter, ResponseSpec
from services.gateway.http.request_facts import current_facts
from services.gateway.http.responses import event_stream_response
from services.gateway.jobs.deliveries import Deliveries
from services.gateway.jobs.places import Places
from services.gateway.jobs.responses import check_id
from services.gateway.jobs.view import JobView, QueuePlace, view
from services.gateway.streaming import sse
from services.gateway.streaming.follower import Follower
from services.gateway.streaming.limit import StreamLimit
from services.gateway.streaming.place_events import PlaceEvents

_NUMBERS = frozenset({"attempt", "done", "total"})
_RAW = frozenset({"pieces"})
"""Fields that are JSON already; they are passed on without parsing."""


class EventRoutes:
    """The view of a job's events."""

    def __init__(
        self, reader: JobReader, places: Places, follower: Follower, limit: StreamLimit, deliveries: Deliveries
    ) -> None:
        self._reader = reader
        self._places = places
        self._follower = follower
        self._limit = limit
        self._deliveries = deliveries

    def events(self, tenant: str, job_id: str) -> Response:
        """Respond with the job's events until its end, from the beginning or after one that the client names."""
        check_id(job_id)
        after = _start()
        state = self._reader.state(job_id, tenant)
        if state.finished and after != "0" and not self._follower.last_events(job_id, tenant, after):
            # By the HTML standard, 204 is what stops a browser's EventSource from reconnecting.
            return Response(status=204)
        with ExitStack() as stack:
            stack.enter_context(self._limit.acquired(tenant))
            note = partial(self._deliveries.note, facts=current_facts())
            read = partial(self._reader.summary, job_id, tenant)
            places = PlaceEvents(self._places, read, waits=state.status == "queued" and after != "0")
            frames = _frames(
                self._follower.follow(job_id, tenant, after),
                places,
                # The last event has no output, since a large output would be stored twice. So the job is read again.
                lambda: view(note(self._reader.read(job_id, tenant)), None),
                disconnect_check(request),
            )
            return event_stream_response(frames, stack.pop_all().close)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            Operation(
                method="GET",
                path="/v1/jobs/{job_id}/events",
                view=self.events,
                tag="Jobs",
                summary="Follow a job by server-sent events",
                description="Events: `queued`, `started`, `progress`, `output`, `cancelling`, and one of `succeeded`, "
                "`failed`, `cancelled`, `expired`, which carries the whole job and ends the stream. `queued` has the "
                "job's place as `queue`, as in the job, and while the job waits it comes again, without an id, about "
                "every two seconds in which the place changes, or its `eta_s` by more than a tenth. A job "
                "without `stream` has no `progress` from before its events were first asked for. `output` events "
                "come from jobs submitted with `stream`: their `pieces` are deltas of the texts, each with the `input` "
                "and the `sequence` that it belongs to. A `started` event with a higher `attempt` than before means "
                "that a worker was lost: discard the deltas of earlier attempts, all are sent again from the "
                "beginning. A comment every 15 seconds keeps the connection alive.",
                responses={
                    200: ResponseSpec("The events.", str, "text/event-stream"),
                    204: ResponseSpec("The job has ended and you have received all of its events."),
                },
                parameters=(
                    JOB_ID_PARAMETER,
                    Parameter("Last-Event-ID", "header", str, "Only events after this one."),
                    Parameter("starting_after", "query", str, "The same, for clients that can't set headers."),
                ),
                errors=(400, 429),
            )
        ]


def _frames(
    batches: Iterator[list[Event]], places: PlaceEvents, read_end: Callable[[], JobView], gone: Callable[[], bool]
) -> Iterator[bytes]:
    sent_at = time.monotonic()
    try:
        with closing(batches):  # type: ignore[type-var]
            for batch in batches:
                # An empty batch comes after a while in which nothing has happened to the job.
                if frame := _frame(batch, places.after(batch), read_end) if batch else places.changed():
                    yield frame
                    sent_at = time.monotonic()
                if gone():
                    return
                if time.monotonic() - sent_at >= sse.KEEPALIVE_S:
                    yield sse.KEEPALIVE
                    sent_at = time.monotonic()
    except (redis.RedisError, TriptychError):
        # The status line is sent already. A client that reconnects gets the error with its status.
        return


def _frame(batch: list[Event], place: QueuePlace | None, read_end: Callable[[], JobView]) -> bytes:
    """Return the events of a batch; the last of them has the place, if the job waits."""
    frames = []
    for event in batch:
        data: Any = {name: _value(name, text) for name, text in event.fields.items()}
        if event.name in TERMINAL:
            data = read_end()
        elif place is not None and event is batch[-1]:
            data["queue"] = place
        frames.append(sse.event(msgspec.json.encode(data), event_id=event.id, name=event.name))
    return b"".join(frames)


def _value(name: str, text: str) -> object:
    if name in _RAW:
        return msgspec.Raw(text)
    return int(text) if name in _NUMBERS else text


def _start() -> str:
    after = request.headers.get("Last-Event-ID") or request.args.get("starting_after") or "0"
    # Checked before the read: one invalid id would fail a batch that reads the events of several clients.
    if not EVENT_ID.fullmatch(after):
        raise BadEventId("Expected the id of an event of this job.", param="Last-Event-ID")
    return after
