"""Where a job waits, in the events of a client that follows it."""

import time
from collections.abc import Callable

import msgspec

from contracts.jobs import Event, Job
from services.gateway.jobs.places import Places
from services.gateway.jobs.view import QueuePlace
from services.gateway.streaming import sse

TOLERANCE_S, TOLERANCE = 1.0, 0.1
"""An estimate of time is news if it is off by more than so many seconds, and by more than this part of it."""


def is_news(sent: QueuePlace | None, place: QueuePlace, elapsed_s: float) -> bool:
    """Return whether a place is another one than a client must expect that got ``sent`` so many seconds ago.

    Estimates of time always change a little, with what the model did in the last seconds. That one stands still, since
    nothing moves, is no news, and neither is that it goes by with the time.
    """
    if sent is None or place.position != sent.position or place.eta_s is None or sent.eta_s is None:
        return place != sent
    tolerance_s = max(TOLERANCE_S, TOLERANCE * sent.eta_s)
    return not sent.eta_s - elapsed_s - tolerance_s <= place.eta_s <= sent.eta_s + tolerance_s


class PlaceEvents:
    """Follows the place of one job, whose record ``read`` returns; ``waits`` if it is known to wait already."""

    def __init__(self, places: Places, read: Callable[[], Job], *, waits: bool) -> None:
        self._places = places
        self._read = read
        self._waits = waits
        self._job: Job | None = None
        self._sent: QueuePlace | None = None
        self._sent_at = 0.0

    def after(self, batch: list[Event]) -> QueuePlace | None:
        """Return the place after these events; None if they say that the job does not wait any more."""
        last = batch[-1]
        self._waits = last.name == "queued"
        self._job = None  # it may have come back from a worker
        self._sent, self._sent_at = self._now(), time.monotonic()
        return self._sent

    def changed(self) -> bytes:
        """Return an event with the place, if it is another one than the client has; else nothing.

        It has no id: a client that resumes gets everything after the last event of the job itself.
        """
        place = self._now()
        now = time.monotonic()
        if self._job is None or place is None or not is_news(self._sent, place, now - self._sent_at):
            return b""
        self._sent, self._sent_at = place, now
        return sse.event(msgspec.json.encode({"attempt": self._job.attempt, "queue": place}), name="queued")

    def _now(self) -> QueuePlace | None:
        if not self._waits:
            return None
        self._job = self._job or self._read()
        place = self._places.of(self._job)
        self._waits = place is not None
        return place
