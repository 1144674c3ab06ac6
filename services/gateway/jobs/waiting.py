"""Waits for changes of jobs without a Redis connection for each wait: one listener a process, and wake-ups by job id.

Each change of a job publishes its id on one channel. The listener wakes the greenlets of this process that wait for
the job, and they read its record again. Only the record counts: a wake-up that comes twice costs a read, and one that
is lost costs a short delay. Step 8 on the path of a job.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

from gevent.event import Event

from contracts.jobs import Job, JobState
from services.gateway.http.errors import ClientDisconnected
from services.gateway.monitoring.monitor import Monitor

S = TypeVar("S", Job, JobState)
POLL_S = 1.5
"""Waiters read their record at least this often, in case a wake-up is lost.

Together with the timeout of a read, `backend.REDIS_TIMEOUT_S`, it bounds how long a request hangs on a frozen store.
"""


class WakeUps:
    """The greenlets of this process that wait, by job."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Event]] = {}
        self.stopping = False
        """Whether the process is about to stop, and should get no more requests."""
        self.closing = False
        """Whether every wait ends now."""

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Event]:
        """Yield an event that is set at each change of the job until the ``with`` block ends.

        Enter the block before the first read of the record: a change between the two would be missed otherwise.
        """
        event = Event()
        self._waiting.setdefault(job_id, set()).add(event)
        try:
            yield event
        finally:
            # The entry goes with its last waiter: otherwise the ids of all jobs would stay in memory.
            events = self._waiting[job_id]
            events.discard(event)
            if not events:
                del self._waiting[job_id]

    def wake(self, job_id: str) -> None:
        """Wake the greenlets that wait for one job."""
        # `set` only schedules the waiting greenlets; none runs and leaves the set before this loop has ended.
        for event in self._waiting.get(job_id, ()):
            event.set()

    def wake_all(self) -> None:
        """Wake all greenlets: changes may have been missed, or the store is out of reach."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    def close(self) -> None:
        """End every wait with the state that its job has now, and let no later one begin."""
        self.stopping = self.closing = True
        self.wake_all()

    def pause(self, event: Event, timeout_s: float) -> None:
        """Wait for a change, for ``timeout_s`` and ``POLL_S`` at most."""
        # While the gateway stops, callers read the record once more and return it.
        if not self.closing:
            event.wait(min(timeout_s, POLL_S))
        # Cleared before the caller reads the record: a change during that read sets it again.
        event.clear()


class Wait(Protocol):
    """Reads a job, or only its state, until a condition is met."""

    def __call__(self, read: Callable[[], S], until: Callable[[S], bool], timeout_s: float) -> S:
        """Return what was read last: it meets the condition, or the time is over, or the gateway stops."""
        ...


class JobWaiter:
    """Waits for changes of jobs."""

    def __init__(self, monitor: Monitor, wake_ups: WakeUps) -> None:
        self._monitor = monitor
        self._wake_ups = wake_ups

    @property
    def closing(self) -> bool:
        """Whether waits end before their time, because the process stops."""
        return self._wake_ups.closing

    @contextmanager
    def watch(self, job_id: str, disconnected: Callable[[], bool]) -> Iterator[Wait]:
        """Yield a function that waits for the job and misses no change of it since the ``with`` block began.

        A job that runs has no output yet, so its end can be awaited with the whole record. It raises as its ``read``,
        Unavailable, and ClientDisconnected as soon as ``disconnected`` says so.
        """
        with self._wake_ups.watch(job_id) as changed:
            yield partial(self._wait, changed, disconnected)

    def _wait(
        self,
        changed: Event,
        disconnected: Callable[[], bool],
        read: Callable[[], S],
        until: Callable[[S], bool],
        timeout_s: float,
    ) -> S:
        deadline = time.monotonic() + timeout_s
        while True:
            # Without this the read would find out only after its timeout that the store is out of reach.
            self._monitor.check_store()
            found = read()
            left = deadline - time.monotonic()
            if until(found) or left <= 0 or self._wake_ups.closing:
                return found
            # After the read and not before: a client whose job has just finished is no reason to cancel it.
            if disconnected():
                raise ClientDisconnected
            self._wake_ups.pause(changed, left)
