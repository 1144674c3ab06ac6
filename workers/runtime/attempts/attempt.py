"""One attempt at a job, as its task, an engine and the heartbeat see it.

Knows neither Redis nor Celery, so that engines can be tested and benchmarked without them.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from contracts.errors import ExecutionTimeout
from contracts.jobs import Claim

PROGRESS_PERIOD_S = 0.5

RecordProgress = Callable[[Claim, int, int | None], None]


class AttemptStopped(Exception):
    """The job no longer belongs to this attempt: it was cancelled, expired, deleted, or claimed by another attempt."""


class Attempt:
    """A claimed job in this worker. Compared and hashed by identity; safe to use from any thread.

    Args:
        claim: the job and the number of this attempt at it.
        record_progress: stores how much of the job is done; None: progress is not recorded. Must not raise.
    """

    def __init__(self, claim: Claim, record_progress: RecordProgress | None = None) -> None:
        self.claim = claim
        self.timeout_s = claim.timeout_s
        self.isolated = claim.suspect
        """Whether this job must share no model call with other jobs."""
        self._stopped = threading.Event()
        self._record_progress = record_progress

    @property
    def should_stop(self) -> bool:
        """Whether the job no longer belongs to this attempt."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Mark the job as no longer belonging to this attempt."""
        self._stopped.set()

    def report_progress(self, num_done: int, num_parts: int | None = None) -> None:
        """Record how many inputs are done, or how many of ``num_parts`` parts if the inputs were split into parts."""
        if self._record_progress is not None:
            self._record_progress(self.claim, num_done, num_parts)


class Awaited(Protocol):
    """A request handle of an engine."""

    @property
    def num_done(self) -> int:
        """Return how many of its parts are done."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is finished; return whether it is."""
        ...


def await_handle(
    handle: Awaited, attempt: Attempt, started: float, report: Callable[[int], None] | None = None
) -> None:
    """Wait until an engine has finished a request, and report progress meanwhile.

    Args:
        handle: of the request.
        attempt: that the request belongs to.
        started: when the attempt started, by ``time.perf_counter()``.
        report: called with the number of parts that are done; None: ``attempt.report_progress``.

    Raises:
        ExecutionTimeout: the attempt has taken longer than its ``timeout_s``.
        AttemptStopped: the job no longer belongs to this attempt.
    """
    reported = 0
    while True:
        left_s = started + attempt.timeout_s - time.perf_counter()
        if handle.wait(max(0.0, min(PROGRESS_PERIOD_S, left_s))):
            return
        if attempt.should_stop:
            raise AttemptStopped
        if left_s <= 0:
            raise ExecutionTimeout
        if handle.num_done > reported:
            reported = handle.num_done
            (report or attempt.report_progress)(reported)


def milliseconds(seconds: float) -> float:
    """Return a duration in milliseconds, rounded to 0.01."""
    return round(seconds * 1000, 2)
