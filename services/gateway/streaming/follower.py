"""Follows a job's events while they happen. Step 8 on the path of a job."""

from collections.abc import Iterator

import gevent

from contracts.jobs import TERMINAL, Event
from contracts.store.job_reader import JobReader
from services.gateway.jobs.wake_ups import POLL_S, WakeUps
from services.gateway.monitoring.monitor import Monitor
from services.gateway.streaming.event_reader import EventReader
from services.gateway.streaming.record_events import events_of, is_after

STEP_EVENTS = 50
"""Events that are passed on in one turn of the event loop: a client that follows late may get 65,536 of them."""


class Follower:
    """Reads the events of jobs, each time that a change of the job wakes it."""

    def __init__(self, reader: JobReader, monitor: Monitor, wake_ups: WakeUps) -> None:
        self._reader = reader
        self._events = EventReader(reader)
        self._monitor = monitor
        self._wake_ups = wake_ups

    def follow(self, job_id: str, tenant: str, after: str, *, is_followed: bool = False) -> Iterator[list[Event]]:
        """Yield the job's events after the one with id ``after``, in batches as they come.

        A batch comes at least every ``POLL_S``, empty if nothing has happened, so that the caller can check on its
        client. Ends after the terminal event. Ends without it if the job is finished but its last events are lost, or
        if the gateway stops. Raises as ``JobReader.read``, and Unavailable.

        With ``is_followed`` the job was submitted with a stream and with this process's channel. Any other job is
        followed from now on; if it is unfinished, its stream begins with what has happened so far.
        """
        # The watch begins before the first read, so that no change between the two is missed.
        with self._wake_ups.watch(job_id, every_change=True) as watch:
            watch.is_followed = is_followed
            while not self._wake_ups.closing:
                self._monitor.check_store()
                if not watch.is_followed:
                    self._wake_ups.follow(watch, events=True)
                events, more = self._events.read(job_id, after)
                if not events and self._reader.state(job_id, tenant).finished:
                    events, more = self.last_events(job_id, tenant, after), True
                    if not events:
                        return
                yield from _steps(events)
                if events:
                    after = events[-1].id
                    if events[-1].name in TERMINAL:
                        return
                if not more:
                    self._wake_ups.pause(watch, POLL_S)

    def last_events(self, job_id: str, tenant: str, after: str) -> list[Event]:
        """Return some events of a finished job after the one with id ``after``; none if the client has them all.

        Raises as ``JobReader.read``.
        """
        # The job may have ended after an earlier read, and its last events been written then.
        events = self._reader.events(job_id, after)
        if events or self._has_stream(job_id):
            return events
        return [event for event in events_of(self._reader.summary(job_id, tenant)) if is_after(event, after)]

    def _has_stream(self, job_id: str) -> bool:
        return bool(self._reader.events_of_many([(job_id, "0")], count=1)[0])


def _steps(events: list[Event]) -> Iterator[list[Event]]:
    yield events[:STEP_EVENTS]
    for start in range(STEP_EVENTS, len(events), STEP_EVENTS):
        gevent.sleep(0)
        yield events[start : start + STEP_EVENTS]
