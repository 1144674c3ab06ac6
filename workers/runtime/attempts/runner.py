"""The life of a job in a worker: claim, run, finish. Steps 4 and 7 on the path of a job.

Whatever happens in between, the job reaches a terminal state or returns to its queue. Errors that a client can act on
keep their text. All others are logged, and the client gets a fixed sentence without details.
"""

import logging
import time
from collections.abc import Callable
from functools import partial

import redis

from contracts.errors import OutOfMemory, TriptychError, UnknownModel
from contracts.jobs import JOB_ID, Answer, Claim
from contracts.store.attempt_store import AttemptStore, DoesNotFit
from workers.runtime.attempts.attempt import Attempt, AttemptStopped
from workers.runtime.attempts.held import HeldAttempts
from workers.runtime.attempts.room import JobRoom
from workers.runtime.attempts.suspects import SuspectLane
from workers.runtime.models.served import ServedModel
from workers.runtime.models.versions import Models
from workers.runtime.process.memory import trim_heap
from workers.runtime.process.shared_state import SharedState

logger = logging.getLogger(__name__)
RETRY_PAUSE_S = 0.5
"""Between two tries to record how a job ended."""
MAX_CLAIMS_IN_A_ROW = 32
"""Jobs of one queue that a thread claims without returning to Celery, which serves the queues of all models in turn."""

Outcome = Answer | TriptychError | AttemptStopped


class JobRunner:
    """Runs jobs on the threads of Celery's pool."""

    def __init__(self, store: AttemptStore, worker_id: str, models: Models, shared: SharedState, room: JobRoom) -> None:
        self.held = HeldAttempts(store, shared)
        self._shared = shared
        self._room = room
        self._store = store
        self._worker_id = worker_id
        self._models = models
        # Not an Event: it is set in the handler of SIGTERM, where the lock of an Event can deadlock.
        self._draining = False
        self._suspects = SuspectLane(self._run_suspect)

    def accept(self, job_id: str, *, suspect: bool, queue: str = "") -> None:
        """Run the job of a message now; if it is a suspect, leave it to the suspects' own thread.

        Then, with a ``queue``, run jobs that wait in that queue, up to ``MAX_CLAIMS_IN_A_ROW``. A message costs several
        times as much CPU as a claim (docs/decisions/0008), so only idle workers need messages.
        """
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            logger.warning("message without a job id refused")
        elif suspect:
            self._suspects.put(job_id)
        else:
            self._run_next(lambda: self._store.claim(job_id, self._worker_id, self._room.share))
            # Before the small ones too, or large jobs would wait for as long as the queue never gets empty.
            self._run_large()
            self._run_waiting(queue)
            self._run_large()

    def begin_drain(self) -> None:
        """Claim no more jobs that wait in a queue. Jobs whose messages Celery has already taken are still run."""
        self._draining = True

    def drain(self, timeout_s: float) -> None:
        """Wait for the suspect that is running, then release every job that is still held."""
        self.begin_drain()
        self._suspects.close(timeout_s)
        self.held.release_all()

    def _run_suspect(self, job_id: str) -> None:
        self._run_next(lambda: self._store.claim(job_id, self._worker_id))

    def _run_waiting(self, queue: str) -> None:
        def claim_next() -> Claim | None:
            return self._store.claim_next(queue, self._worker_id, self._room.share)

        for _ in range(MAX_CLAIMS_IN_A_ROW if queue else 0):
            if self._draining or not self._run_next(claim_next):
                return

    def _run_large(self) -> None:
        """Run jobs that are larger than a thread's share, as long as there is memory for the next one."""
        while not self._draining and (large := self._room.take()):
            try:
                self._run_next(partial(self._store.claim, large.job_id, self._worker_id))
            finally:
                self._room.give_back(large)
            trim_heap()  # what a large job has used would otherwise stay with this process

    def _run_next(self, claim_job: Callable[[], Claim | None]) -> bool:
        """Claim a job, run it and record how it ended; return whether there was a job."""
        claim = self._claim(claim_job)
        if claim is None:
            return False
        logger.debug("attempt started", extra=claim.log_fields | {"attempt": claim.attempt})
        attempt = Attempt(claim, self._record_progress, self._shared.note_waiting)
        if self.held.add(attempt):
            try:
                self._finish(attempt, self._run(attempt))
            finally:
                self.held.remove(attempt)
        return True

    def _claim(self, claim_job: Callable[[], Claim | None]) -> Claim | None:
        if self.held.leaving:
            return None
        try:
            return claim_job()
        except DoesNotFit as large:  # it stays in its queue, where other workers find it as well
            self._room.wait_for(large.job_id, large.num_bytes)
        except redis.RedisError as error:  # the reaper finds a job whose message is gone, and writes a new one
            logger.warning("claim failed", extra={"error": str(error)})
        return None

    def _run(self, attempt: Attempt) -> Outcome:
        try:
            return self._model_for(attempt.claim).answer(attempt)
        except (TriptychError, AttemptStopped) as outcome:
            return outcome
        except MemoryError:
            return OutOfMemory()
        except BaseException:  # SystemExit and panics of native libraries must fail the job and not end the worker
            logger.exception("job failed", extra=attempt.claim.log_fields)
            return TriptychError()

    def _finish(self, attempt: Attempt, outcome: Outcome) -> None:
        """Record an outcome, however long that takes, unless the job no longer belongs to the attempt."""
        while True:
            try:
                if not self._record(attempt.claim, outcome):
                    logger.info("outcome refused: the attempt has lost its job", extra=attempt.claim.log_fields)
                return
            except redis.RedisError as error:
                logger.warning("outcome not recorded yet", extra=attempt.claim.log_fields | {"error": str(error)})
            if attempt.should_stop:
                return
            time.sleep(RETRY_PAUSE_S)

    def _record(self, claim: Claim, outcome: Outcome) -> bool:
        """Record an outcome once; return False if the job does not belong to this attempt."""
        if isinstance(outcome, Answer):
            return self._store.succeed(claim, outcome)
        if isinstance(outcome, TriptychError):
            return self._store.fail(claim, outcome)
        # The attempt may also have stopped because the job was released, expired or deleted: then nothing is confirmed.
        return self._store.confirm_cancel(claim)

    def _model_for(self, claim: Claim) -> ServedModel:
        """Return the version of the model that the job runs on, to its end, even if it is replaced meanwhile."""
        model = self._models.get(claim.model)
        if model is None or model.card.task != claim.task:
            raise UnknownModel(f"This worker does not serve model {claim.model} for {claim.task}.", param="model")
        return model

    def _record_progress(self, claim: Claim, num_done: int, num_parts: int) -> None:
        try:
            self._store.progress(claim, num_done, num_parts)
        except redis.RedisError:  # not worth failing a job for
            logger.info("progress not recorded", extra=claim.log_fields)
