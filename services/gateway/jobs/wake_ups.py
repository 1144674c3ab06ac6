"""Which greenlets of this process wait for which jobs, and what the store has said of these jobs meanwhile.

A job's record names the channels of the gateway processes that wait for it, and each change of the job is published
there with the job's new state, and its end with the record. So a greenlet that waits for the end reads nothing, or a
large record once. A wake-up that is lost costs a short delay, since waiters also look at the record now and then.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from gevent.event import Event

from contracts.jobs import TERMINAL
from contracts.store.changes import Change
from contracts.store.job_writer import JobWriter
from contracts.store.keys import of_end_only, wake_channel
from contracts.store.problems import NO_CONNECTION, TIMEOUT, UNREACHABLE, problem_of

POLL_S = 1.5
"""Waiters look at their record at least this often, in case a wake-up is lost.

Together with the timeout of a read, `backend.REDIS_TIMEOUT_S`, it bounds how long a request hangs on a frozen store.
"""


class Watch:
    """What one greenlet hears of one job: its end, or with ``every_change`` whatever happens to it."""

    def __init__(self, job_id: str, *, every_change: bool) -> None:
        self.job_id = job_id
        self.has_ended = False
        """The store has said that the job is finished or gone."""
        self.record: list[bytes | None] | None = None
        """The record of the job that has ended, if the store has published it (``changes.Change``)."""
        self.is_followed = False
        """Whether the store publishes the job's changes to this process, and none can have been missed."""
        self.every_change = every_change
        self._heard = Event()

    def hear(self, change: Change) -> None:
        """Note a change of the job; wake the greenlet if it waits for that."""
        if change.status in TERMINAL:
            self.has_ended, self.record = True, change.record
            self.wake()
        elif self.every_change:
            self.wake()

    def wake(self) -> None:
        """Wake the greenlet."""
        self._heard.set()

    def sleep(self, timeout_s: float) -> None:
        """Return when the greenlet is woken, or the time is over."""
        self._heard.wait(timeout_s)
        # Cleared before the caller looks at the job: a change from then on sets it again.
        self._heard.clear()


class WakeUps:
    """The watches of this process, by job."""

    def __init__(self, writer: JobWriter) -> None:
        self.channel = wake_channel(secrets.token_hex(8))
        """Where the store publishes what happens to jobs that this process follows."""
        self.stopping = False
        """Whether the process is about to stop, and should get no more requests."""
        self.closing = False
        """Whether every wait ends now."""
        self._writer = writer
        self._watches: dict[str, set[Watch]] = {}

    def address(self, every_change: bool) -> str:
        """Return the channel as a job's record names it, for its end only or for every change."""
        return self.channel if every_change else of_end_only(self.channel)

    @contextmanager
    def watch(self, job_id: str, *, every_change: bool = False) -> Iterator[Watch]:
        """Yield a watch that hears of the job until the ``with`` block ends.

        It hears nothing before the store knows that this process follows the job: from its submit on, or from
        ``follow``. Enter the block before that, or a change between the two is missed.
        """
        watch = Watch(job_id, every_change=every_change)
        self._watches.setdefault(job_id, set()).add(watch)
        try:
            yield watch
        finally:
            # The entry goes with its last watch: otherwise the ids of all jobs would stay in memory.
            watches = self._watches[job_id]
            watches.discard(watch)
            if not watches:
                del self._watches[job_id]

    def follow(self, watch: Watch, *, events: bool = False) -> bool:
        """Have the store publish the job's changes from now on, and with ``events`` keep a stream of them.

        Returns:
            Whether it does. It can't while it takes no writes: then only looks at the record find changes.

        Raises:
            redis.RedisError: the store is out of reach.
        """
        # Set before the call: if this process loses its subscription meanwhile, it is set back by `wake_all`.
        watch.is_followed = True
        try:
            if not self._writer.follow(watch.job_id, self.address(watch.every_change), events=events):
                watch.has_ended = True
        except redis.RedisError as error:
            watch.is_followed = False
            if problem_of(error) in {UNREACHABLE, TIMEOUT, NO_CONNECTION}:
                raise
        return watch.is_followed

    def wake(self, change: Change) -> None:
        """Tell the watches of one job how it has changed."""
        # Nobody runs and leaves the set before this loop has ended: waking only schedules greenlets.
        for watch in self._watches.get(change.job_id, ()):
            watch.hear(change)

    def wake_all(self) -> None:
        """Wake all greenlets: changes may have been missed, or the store is out of reach."""
        for watches in self._watches.values():
            for watch in watches:
                # The store may have come back without the last second of its data, and so without our name.
                watch.is_followed = False
                watch.wake()

    def close(self) -> None:
        """End every wait with the state that its job has now, and let no later one begin."""
        self.stopping = self.closing = True
        self.wake_all()

    def pause(self, watch: Watch, timeout_s: float) -> None:
        """Wait until there is something to look at, for ``timeout_s`` and ``POLL_S`` at most."""
        # While the gateway stops, callers look once more and return.
        if not self.closing:
            watch.sleep(min(timeout_s, POLL_S))
