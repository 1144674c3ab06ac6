"""One attempt at one job, as its task, an engine and the heartbeat see it.

Knows neither Redis nor Celery, so that engines can be tested and benchmarked without them.
"""

from collections.abc import Callable

from contracts.jobs import Claim
from workers.runtime.price.counts import AttemptCounts


class AttemptStopped(Exception):
    """The job no longer belongs to this attempt: it was cancelled, expired, deleted, or claimed by another attempt."""


class Attempt:
    """A claimed job in this worker. Compared and hashed by identity; safe to use from any thread.

    Args:
        claim: the job and the number of this attempt at it.
        resume: called when what the job's task waits for is there, by any thread. It must be cheap.
    """

    def __init__(self, claim: Claim, resume: Callable[["Attempt"], None] | None = None) -> None:
        self.claim = claim
        self.timeout_s = claim.timeout_s
        self.flow = claim.flow
        self.group = claim.group
        """Of suspects, which share model calls among themselves and with no other job; empty for all others."""
        self.should_stop = False
        """Whether the job no longer belongs to this attempt."""
        self.counts = AttemptCounts()
        self._resume = resume

    def stop(self) -> None:
        """Mark the job as no longer belonging to this attempt."""
        self.should_stop = True
        self.resume()

    def resume(self) -> None:
        """Let the job's task look whether what it waits for is there."""
        if self._resume is not None:
            self._resume(self)
