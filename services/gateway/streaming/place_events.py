"""Where a job waits, in the events of a client that follows it."""

from collections.abc import Callable

import msgspec

from contracts.jobs import Event, Job
from services.gateway.jobs.places import Places
from services.gateway.jobs.view import QueuePlace
from services.gateway.streaming import sse


class PlaceEvents:
    """Follows the place of one job, whose record ``read`` returns; ``waits`` if it is known to wait already."""

    def __init__(self, places: Places, read: Callable[[], Job], *, waits: bool) -> None:
        self._places = places
        self._read = read
        self._waits = waits
        self._attempt = 0
        self._job: Job | None = None
        self._sent: QueuePlace | None = None

    def after(self, batch: list[Event]) -> QueuePlace | None:
        """Return the place after these events; None if they say that the job does not wait any more."""
        last = batch[-1]
        self._waits = last.name == "queued"
        self._attempt = int(last.fields.get("attempt", 0))
        self._job = None  # it may have come back from a worker
        self._sent = self._now()
        return self._sent

    def changed(self) -> bytes:
        """Return an event with the place, if it is another one than the client has; else nothing.

        It has no id: a client that resumes gets everything after the last event of the job itself.
        """
        place = self._now()
        if place is None or place == self._sent:
            return b""
        self._sent = place
        return sse.event(msgspec.json.encode({"attempt": self._attempt, "queue": place}), name="queued")

    def _now(self) -> QueuePlace | None:
        if not self._waits:
            return None
        self._job = self._job or self._read()
        place = self._places.of(self._job)
        self._waits = place is not None
        return place
