"""Follows a job's events while they happen. Step 8 on the path of a job."""

from collections.abc import Iterator

from contracts.jobs import TERMINAL, Event
from contracts.store.job_reader import MAX_EVENTS_READ, JobReader
from services.gateway.jobs.waiting import POLL_S, WakeUps
from services.gateway.monitoring.monitor import Monitor
from services.gateway.streaming.event_reader import EventReader


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
                events = self._events.read(job_id, after)
                if not events and self._reader.state(job_id, tenant).finished:
                    # The job may have ended between the two reads, and its last events been written then.
                    events = self._events.read(job_id, after)
                    if not events:
                        return
                yield events
                if events:
                    after = events[-1].id
                    if events[-1].name in TERMINAL:
                        return
                # A full batch may not be all that there is: read on without a pause.
                if len(events) < MAX_EVENTS_READ:
                    self._wake_ups.pause(changed, POLL_S)
