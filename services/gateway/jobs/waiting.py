"""Waits for jobs without a Redis connection for each wait. Step 8 on the path of a job."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contracts.jobs import Job, JobState
from contracts.store.job_reader import JobReader
from services.gateway.http.errors import ClientDisconnected
from services.gateway.jobs.waiting_room import WaitingRoom
from services.gateway.jobs.wake_ups import WakeUps, Watch
from services.gateway.monitoring.monitor import Monitor


class JobWaiter:
    """Waits for the ends and for changes of jobs. Those who wait have a place in ``room``."""

    def __init__(self, reader: JobReader, monitor: Monitor, wake_ups: WakeUps, room: WaitingRoom) -> None:
        self.room = room
        self._reader = reader
        self._monitor = monitor
        self._wake_ups = wake_ups

    @property
    def closing(self) -> bool:
        """Whether waits end before their time, because the process stops."""
        return self._wake_ups.closing

    def address(self, every_change: bool) -> str:
        """Return what a submit names so that the store tells this process of the job's end, or of every change."""
        return self._wake_ups.address(every_change)

    @contextmanager
    def watch(
        self, job_id: str, tenant: str, disconnected: Callable[[], bool], *, every_change: bool = False
    ) -> Iterator["Wait"]:
        """Yield a wait for a job, which hears of it until the ``with`` block ends."""
        with self._wake_ups.watch(job_id, every_change=every_change) as watch:
            yield Wait(
                watch,
                tenant,
                disconnected,
                reader=self._reader,
                monitor=self._monitor,
                wake_ups=self._wake_ups,
            )


class Wait:
    """One greenlet's wait for one job.

    Methods raise as ``JobReader.read``, Unavailable, and ClientDisconnected as soon as ``disconnected`` says so.
    """

    def __init__(
        self,
        watch: Watch,
        tenant: str,
        disconnected: Callable[[], bool],
        *,
        reader: JobReader,
        monitor: Monitor,
        wake_ups: WakeUps,
    ) -> None:
        self._reader = reader
        self._monitor = monitor
        self._wake_ups = wake_ups
        self._watch = watch
        self._tenant = tenant
        self._disconnected = disconnected

    def for_end(self, timeout_s: float) -> Job:
        """Return the job when it is finished, or as it is when the time is over or the gateway stops."""
        job = self._read()
        if job.finished or timeout_s <= 0:
            return job
        self._wake_ups.follow(self._watch)
        return self._end(timeout_s)

    def for_end_of_submitted(self, timeout_s: float) -> Job:
        """Do the same for a job that this process has just submitted with its channel: at most one read, at the end."""
        self._watch.is_followed = True
        return self._end(timeout_s)

    def for_change(self, has_changed: Callable[[JobState], bool], timeout_s: float) -> JobState:
        """Return the job's state when it has changed, or when the time is over or the gateway stops.

        Only the state is read: the job may have megabytes of output, and be polled often.
        """
        state = self._state()
        if timeout_s <= 0 or has_changed(state):
            return state

        def look() -> bool:
            nonlocal state
            if not self._watch.is_followed:
                self._wake_ups.follow(self._watch)
            state = self._state()
            return has_changed(state)

        # Before the wait too: a change before the store knew that we follow the job was published to others only.
        if not look():
            self._pause_until(look, timeout_s)
        return state

    def _end(self, timeout_s: float) -> Job:
        if not self._watch.has_ended:
            self._pause_until(self._has_ended, timeout_s)
        if self._watch.record is None:
            return self._read()
        return self._reader.published(self._watch.job_id, self._tenant, self._watch.record)

    def _has_ended(self) -> bool:
        if not self._watch.is_followed and self._wake_ups.follow(self._watch):
            return self._watch.has_ended
        return self._watch.has_ended or self._state().finished

    def _pause_until(self, look: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0 and not self._wake_ups.closing:
            # After a look and not before: a client whose job has just finished is no reason to cancel it.
            if self._disconnected():
                raise ClientDisconnected
            self._wake_ups.pause(self._watch, left_s)
            if self._watch.record is None:
                # Without this a read would find out only after its timeout that the store is out of reach.
                self._monitor.check_store()
            if look():
                return

    def _read(self) -> Job:
        return self._reader.read(self._watch.job_id, self._tenant)

    def _state(self) -> JobState:
        return self._reader.state(self._watch.job_id, self._tenant)
