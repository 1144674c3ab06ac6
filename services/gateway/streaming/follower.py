"""Following a job's events as they happen, for whoever tells them on. Step 8 on the path of a job."""

from collections.abc import Iterator

from contracts.jobs import TERMINAL, Event
from contracts.store.job_reader import MAX_EVENTS_READ, JobReader
from services.gateway.jobs.waiting import NET_S, WakeUps
from services.gateway.monitoring.monitor import Monitor
from services.gateway.streaming.event_reader import EventReader


class Follower:
    """Reads the event streams of jobs, woken by their changes."""

    def __init__(self, reader: JobReader, monitor: Monitor, wake_ups: WakeUps) -> None:
        self._reader = reader
        self._events = EventReader(reader)
        self._monitor = monitor
        self._wake_ups = wake_ups

    def follow(self, job_id: str, tenant: str, after: str) -> Iterator[list[Event]]:
        """Yield the job's events after one of them in batches as they come; a batch, empty if need be, each ``NET_S``.

        Ends after the terminal event; without it when the job is finished and its last events are lost, and when the
        gateway closes. Raises as ``JobReader.read``, and Unavailable.
        """
        # Watched before the first read, so that no change is missed.
        with self._wake_ups.watch(job_id) as changed:
            while not self._wake_ups.closing:
                self._monitor.check_store()
                events = self._events.read(job_id, after)
                if not events and self._reader.read(job_id, tenant).finished:
                    # The last of them may have come since.
                    events = self._events.read(job_id, after)
                    if not events:
                        return
                yield events
                if events:
                    after = events[-1].id
                    if events[-1].name in TERMINAL:
                        return
                if len(events) < MAX_EVENTS_READ:
                    self._wake_ups.pause(changed, NET_S)
