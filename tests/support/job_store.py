"""All parts of the job store in one object, for tests that act as gateway, worker and reaper at once."""

import redis
from msgspec import structs

from contracts.errors import TriptychError
from contracts.jobs import Answer, Claim
from contracts.price.estimate import Consumed
from contracts.settings import StoreSettings
from contracts.store.attempt_store import AttemptStore
from contracts.store.attempts.outcomes import Outcome, failed, stopped, succeeded
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.store.queues.stats import QueueStats
from contracts.store.reaper import Reaper


class JobStore(JobReader, JobWriter, AttemptStore, QueueStats):
    """All methods of the parts of the job store, over one client, and some for one job at a time."""

    def __init__(self, client: redis.Redis, settings: StoreSettings | None = None) -> None:
        settings = settings or StoreSettings()
        self.client = client
        JobReader.__init__(self, client)
        JobWriter.__init__(self, client)
        AttemptStore.__init__(self, client, settings)
        QueueStats.__init__(self, client)
        self.reap = Reaper(client, settings).reap

    def claim(self, source: str, worker: str) -> Claim | None:
        """Start an attempt at a job, or at the oldest one of a queue."""
        claims = self.turn(worker, sources=[source], max_jobs=1).claims
        return claims[0] if claims else None

    def succeed(self, claim: Claim, answer: Answer, consumed: Consumed = Consumed()) -> bool:  # noqa: B008 (immutable)
        """End an attempt with its result; return whether it counts."""
        return self._end(structs.replace(succeeded(claim, answer), consumed=consumed))

    def fail(self, claim: Claim, error: TriptychError) -> bool:
        """End an attempt with an error; return whether it counts."""
        return self._end(failed(claim, error))

    def confirm_cancel(self, claim: Claim) -> bool:
        """End an attempt that was cancelled; return whether it was."""
        return self._end(stopped(claim))

    def _end(self, outcome: Outcome) -> bool:
        return self.turn("by hand", [outcome]).accepted[0]
