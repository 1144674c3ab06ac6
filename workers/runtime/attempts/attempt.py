"""One attempt at a job, as its task, an engine and the heartbeat see it.

Knows neither Redis nor Celery, so that engines can be tested and benchmarked without them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contracts.jobs import Claim

RecordProgress = Callable[[Claim, int, int], None]
NoteWaiting = Callable[[str, bool], None]


class AttemptStopped(Exception):
    """The job no longer belongs to this attempt: it was cancelled, expired, deleted, or claimed by another attempt."""


class Attempt:
    """A claimed job in this worker. Compared and hashed by identity; safe to use from any thread.

    Args:
        claim: the job and the number of this attempt at it.
        record_progress: stores how much of the job is done; None: progress is not recorded. Must not raise.
        note_waiting: notes whether the job waits for model calls or its own thread works on it, which matters if the
            process dies.
    """

    def __init__(
        self, claim: Claim, record_progress: RecordProgress | None = None, note_waiting: NoteWaiting | None = None
    ) -> None:
        self.claim = claim
        self.timeout_s = claim.timeout_s
        self.isolated = claim.suspect
        """Whether this job must share no model call with other jobs."""
        self._stopped = threading.Event()
        self._record_progress = record_progress
        self._note_waiting = note_waiting

    @property
    def should_stop(self) -> bool:
        """Whether the job no longer belongs to this attempt."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Mark the job as no longer belonging to this attempt."""
        self._stopped.set()

    def report_progress(self, num_done: int, num_parts: int) -> None:
        """Record how many parts of the job are done: its inputs, or the chunks that its inputs were split into."""
        if self._record_progress is not None:
            self._record_progress(self.claim, num_done, num_parts)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for model calls in a ``with`` block."""
        note = self._note_waiting or (lambda job_id, waiting: None)
        note(self.claim.id, True)
        try:
            yield
        finally:
            note(self.claim.id, False)
