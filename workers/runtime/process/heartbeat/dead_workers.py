"""Gives back the jobs of workers that have died, now and not when their leases run out.

The heartbeat process of a worker that dies does so at once. If it dies with its worker, as in a container that is
killed, another worker of the same host finds the note: one that starts, or the heartbeat process of one that runs.
"""

import contextlib
import logging
import os
from pathlib import Path

import redis

from contracts.store.attempt_store import AttemptStore
from contracts.store.attempts.blame import Returned
from workers.runtime.process.note_files import Orphan, orphans
from workers.runtime.process.shared_state import HeldAttempt, SharedState

logger = logging.getLogger(__name__)


class DeadWorkers:
    """Looks for notes of dead workers.

    Args:
        store: where their jobs are given back.
        worker_id: of the own worker.
        note: the own worker's note; None if it is no file, and then no others are looked for.
    """

    def __init__(self, store: AttemptStore, worker_id: str, note: Path | None) -> None:
        self._store = store
        self._worker_id = worker_id
        self._note = note
        self._seen: set[Path] = set()
        """Notes of which this store knows nothing. They may be of workers with another store."""

    def look(self) -> None:
        """Give back the jobs of all workers of this host that are found dead."""
        if self._note is None:
            return
        # The folder may be gone, or take no changes any more. Then leases decide, as on a host without one.
        with contextlib.suppress(OSError):
            for orphan in orphans(self._note.parent, self._seen):
                self._settle(orphan)

    def own_lives(self) -> None:
        """Let the note of the own worker not seem to be of long ago, whenever the worker may die."""
        if self._note is not None:
            with contextlib.suppress(OSError):
                os.utime(self._note)

    def own_died(self, state: SharedState) -> None:
        """Give back the jobs of the own worker, unless another process has found its note first."""
        attempts = state.attempts()
        logger.error("worker died", extra=_about(attempts))
        self.look()
        # Others have found the note, which makes this call one without effect, or the file was deleted by a stranger.
        if self._note is None or (self._note not in self._seen and not self._note.exists()):
            self._give_back(self._worker_id, attempts)

    def own_left(self) -> None:
        """Remove the note of the own worker, which has given its jobs back itself.

        Those of a last turn of which it did not hear go back now, and so they are not blamed when their leases run out.
        """
        if self._note is not None:
            with contextlib.suppress(OSError):
                self._note.unlink()
        self._give_back(self._worker_id, [])

    def _settle(self, orphan: Orphan) -> None:
        attempts = orphan.state.attempts()
        returned = self._give_back(orphan.path.stem, attempts)
        if returned is None:
            return
        self._seen.add(orphan.path)
        is_own = orphan.path == self._note
        if returned.num_jobs and not is_own:
            logger.error("another worker of this host died", extra={"worker": orphan.path.stem} | _about(attempts))
        if returned.num_jobs or is_own or not attempts:
            orphan.settle(charged=returned.charged_to_suspects)

    def _give_back(self, worker: str, attempts: list[HeldAttempt]) -> Returned | None:
        """Return what became of the jobs, or None if the store is out of reach."""
        try:
            return self._store.abandon(attempts, worker)
        except redis.RedisError as error:
            logger.warning("jobs not given back yet", extra={"error": str(error), "num_jobs": len(attempts)})
            return None


def _about(attempts: list[HeldAttempt]) -> dict[str, object]:
    return {"running": len(attempts), "in_call": [attempt.job_id for attempt in attempts if attempt.in_call]}
