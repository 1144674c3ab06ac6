"""Which attempts this worker holds, so that their leases are renewed, and returned when the worker leaves."""

import logging
import threading
from collections.abc import Sequence

import redis

from contracts.store.attempt_store import AttemptStore
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.process.shared_state import SharedState

logger = logging.getLogger(__name__)


class HeldAttempts:
    """The attempts of this worker by job. All methods can be called from any thread.

    Args:
        store: where attempts are released.
        shared: tells the heartbeat process which attempts are held, at once and even if Python then stands still.
    """

    def __init__(self, store: AttemptStore, shared: SharedState) -> None:
        self._store = store
        self._shared = shared
        self._attempts: dict[str, Attempt] = {}
        self._leaving = False
        # Reentrant: the handler of a second SIGTERM reads the attempts, and may interrupt the main thread in here.
        self._lock = threading.RLock()
        self._releasing = threading.Lock()

    @property
    def leaving(self) -> bool:
        """Whether the worker has released its attempts. It must run no more jobs."""
        return self._leaving

    def add(self, attempt: Attempt) -> bool:
        """Hold an attempt while its job runs; release it instead, and return False, if the worker is leaving."""
        with self._lock:
            leaving, earlier = self._leaving, None
            if not leaving:
                earlier = self._attempts.get(attempt.claim.id)
                self._shared.hold(attempt.claim.id, attempt.claim.attempt, suspect=bool(attempt.group))
                self._attempts[attempt.claim.id] = attempt
        if leaving:  # the claim was on its way while the other attempts were released
            self._release([attempt])
        elif earlier is not None:  # this worker lost the lease of the job, then claimed it again
            earlier.stop()
        return not leaving

    def remove(self, attempt: Attempt) -> None:
        """Forget an attempt that has ended."""
        with self._lock:
            # A later attempt at the same job may have taken its place, and its lease must go on being renewed.
            if self._attempts.get(attempt.claim.id) is attempt:
                del self._attempts[attempt.claim.id]
                self._shared.drop(attempt.claim.id)

    def stop(self, job_id: str, number: int) -> None:
        """Stop an attempt that has lost its job, if it is still held."""
        with self._lock:
            attempt = self._attempts.get(job_id)
        if attempt is not None and attempt.claim.attempt == number:
            attempt.stop()

    def keep(self) -> None:
        """Renew all leases, and so take back what the store has taken from this worker and nobody else has started.

        Raises:
            redis.RedisError: the store is out of reach.
        """
        attempts = {attempt.claim.id: attempt for attempt in self.all()}
        if not attempts:
            return
        lost = self._store.renew_leases((job_id, each.claim.attempt) for job_id, each in attempts.items())
        for job_id in lost:
            attempts[job_id].stop()

    def all(self) -> list[Attempt]:
        """Return the attempts that this worker holds."""
        with self._lock:
            return list(self._attempts.values())

    def release_all(self) -> None:
        """Return every held job to its queue without counting a crash, and let no job run from now on.

        Call it when the worker is about to end. If another thread is doing the same, this waits until it has done so.

        Their tasks go on until they notice. What they bring is dropped, or refused, because the store then expects a
        later attempt.
        """
        with self._lock:  # first, because Celery may bring the messages of the released jobs to this very worker
            self._leaving = True
        # Jobs that were stopped end before they are released. With all of them the process could end in between.
        with self._releasing:
            self._release(self.all())

    def _release(self, attempts: Sequence[Attempt]) -> None:
        # Before the store knows: a task that stops afterwards must not take the release for a cancellation.
        for attempt in attempts:
            attempt.stop()
        try:
            self._store.release([attempt.claim for attempt in attempts])
        except redis.RedisError:
            logger.warning("jobs not released, so their leases must expire first", extra={"num_jobs": len(attempts)})
