"""Follows a job's events while they happen. Step 8 on the path of a job."""

from collections.abc import Iterator

import gevent

from contracts.jobs import TERMINAL, Event
from contracts.store.job_reader import JobReader
from services.gateway.jobs.waiting import POLL_S, WakeUps
from services.gateway.monitoring.monitor import Monitor
from services.gateway.streaming.event_reader import EventReader

STEP_EVENTS = 50
"""Events that are passed on in one turn of the event loop: a client that follows late may get 65,536 of them."""


class Follower:
    """Reads the events of jobs, each time that a change of the job wakes it."""

    def __init__(self, reader: JobReader, monitor: Monitor, wake_ups: WakeUps) -> None:
        self._reader = reader
        self._events = EventReader(reader)
        self._monitor = monitor
        self._wake_ups = wake_ups

    def follow(self, job_id: str, tenant: str, after: str) -> Iterator[list[Event]]:
        """Yield the job's events after the one with id ``after``, in batches as they come.

        A batch comes at least every ``POLL_S``, empty if nothing has happened, so that the caller can check on its
        client. Ends after the terminal event. Ends without it if the job is finished but its last events are lost, or
        if the gateway stops. Raises as ``JobReader.read``, and Unavailable.
        """
        # The watch begins before the first read, so that no change between the two is missed.
        with self._wake_ups.watch(job_id) as changed:
            while not self._wake_ups.closing:
                self._monitor.check_store()
                events, more = self._events.read(job_id, after)
                if not events and self._reader.state(job_id, tenant).finished:
                    # The job may have ended between the two reads, and its last events been written then.
                    events, more = self._events.read(job_id, after)
                    if not events:
                        return
                yield events[:STEP_EVENTS]
                for start in range(STEP_EVENTS, len(events), STEP_EVENTS):
                    gevent.sleep(0)
                    yield events[start : start + STEP_EVENTS]
                if events:
                    after = events[-1].id
                    if events[-1].name in TERMINAL:
                        return
                if not more:
                    self._wake_ups.pause(changed, POLL_S)
