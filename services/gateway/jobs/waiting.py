"""Waiting for jobs without holding a Redis connection each: one listener a process, and wake-ups by job id.

Every change of a job publishes its id on one channel. The listener wakes whoever waits for that id in this process,
and the waiter reads the record, which is the truth; a wake-up too many or too few costs a read or a short delay.
Step 8 on the path of a job.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gevent.event import Event

from contracts.jobs import Job
from contracts.store.job_reader import JobReader
from services.gateway.monitoring.monitor import Monitor

NET_S = 1.5
"""A waiter reads its record at least this often. With the timeout of a read it bounds how long a request hangs."""


class WakeUps:
    """Who waits for which job in this process."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Event]] = {}
        self.closing = False

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Event]:
        """Give an event that is set at each change of the job, from now until the ``with`` block is left.

        Enter it before the first read of the record, and no change is missed.
        """
        event = Event()
        self._waiting.setdefault(job_id, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting[job_id]
            events.discard(event)
            if not events:
                del self._waiting[job_id]

    def wake(self, job_id: str) -> None:
        """Wake those who wait for one job."""
        for event in self._waiting.get(job_id, ()):
            event.set()

    def wake_all(self) -> None:
        """Wake everybody: something may have been missed, or the store is gone."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    def close(self) -> None:
        """Let every wait end with the state that the job is in; none lasts from now on."""
        self.closing = True
        self.wake_all()

    def pause(self, event: Event, timeout_s: float) -> None:
        """Wait for a change, and at most ``NET_S``."""
        if not self.closing:
            event.wait(min(timeout_s, NET_S))
        event.clear()


class JobWaiter:
    """Reads jobs, and waits until they are as somebody wants them."""

    def __init__(self, reader: JobReader, monitor: Monitor, wake_ups: WakeUps) -> None:
        self._reader = reader
        self._monitor = monitor
        self._wake_ups = wake_ups

    def job(self, changed: Event, job_id: str, tenant: str, until: Callable[[Job], bool], timeout_s: float) -> Job:
        """Return the job once ``until`` says so, or as it is after ``timeout_s`` or when the gateway closes.

        ``changed`` comes from ``WakeUps.watch``. Raises as ``JobReader.read``, and Unavailable.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._monitor.check_store()
            job = self._reader.read(job_id, tenant)
            left = deadline - time.monotonic()
            if until(job) or left <= 0 or self._wake_ups.closing:
                return job
            self._wake_ups.pause(changed, left)
