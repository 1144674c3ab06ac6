"""The life of a job in a worker: claim, run, finish. Steps 4 and 7 on the path of a job.

Whatever happens inside, the record ends in a terminal state or goes back to the queue: errors of the client keep
their text, everything else is logged and answered with a fixed sentence, and an attempt that lost its lease throws
its answer away.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable

import redis

from contracts.errors import OutOfMemory, TriptychError, UnknownModel
from contracts.jobs import JOB_ID, Claim
from contracts.store.attempt_store import AttemptStore
from workers.runtime.attempts.attempt import Attempt, AttemptStopped
from workers.runtime.models.versions import Models

logger = logging.getLogger(__name__)
RETRY_PAUSE_S = 0.5
MAX_IN_A_ROW = 32


class Harness:
    """Runs jobs on behalf of Celery's threads, and knows which ones this worker holds."""

    def __init__(self, store: AttemptStore, worker_id: str, models: Models) -> None:
        self._store = store
        self._worker_id = worker_id
        self._models = models
        self._attempts: dict[str, Attempt] = {}
        self._lock = threading.Lock()
        self._suspects: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._draining = threading.Event()
        self._leaving = False
        self._suspects_thread = threading.Thread(target=self._run_suspects, name="suspects", daemon=True)
        self._suspects_thread.start()

    def accept(self, job_id: str, *, suspect: bool, queue: str = "") -> None:
        """Run the job of a message now, or, if it is suspected of killing workers, when no other suspect runs.

        With a ``queue``, go on with the jobs that wait in it: a message that Celery has to bring costs several times as
        much as a claim. The number is bounded, so that the queues of other models come to their turn.
        """
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            logger.warning("message without a job id refused")
        elif suspect:
            self._suspects.put(job_id)
        else:
            self.run(job_id)
            self._run_waiting(queue)

    def run(self, job_id: str) -> bool:
        """Claim a job and bring it to its end; return whether there was anything to run."""
        return self._run_claimed(lambda: self._store.claim(job_id, self._worker_id))

    def take_no_more(self) -> None:
        """Start no further job, except for messages that Celery has handed out already."""
        self._draining.set()

    def _run_waiting(self, queue: str) -> None:
        for _ in range(MAX_IN_A_ROW if queue else 0):
            if self._draining.is_set():
                return
            if not self._run_claimed(lambda: self._store.claim_next(queue, self._worker_id)):
                return

    def _run_claimed(self, claim_job: Callable[[], Claim | None]) -> bool:
        """Claim and run. A claim that fails does not raise: the reaper will notice."""
        if self._leaving:  # Celery may still bring messages, even those of the jobs that are given back
            return False
        try:
            claim = claim_job()
        except redis.RedisError as error:
            logger.warning("claim failed: %s", error)
            return False
        if claim is not None:
            self._run(claim)
        return claim is not None

    def _run(self, claim: Claim) -> None:
        job_id = claim.id
        attempt = Attempt(claim, self._record_progress)
        with self._lock:
            before = self._attempts.pop(job_id, None)
            self._attempts[job_id] = attempt
            leaving = self._leaving
        if before is not None:  # this worker lost the lease, and then got the job again
            before.stop()
        try:
            if leaving:
                self._give_back(attempt)
            else:
                self._settle(attempt, self._outcome(attempt))
        finally:
            with self._lock:
                if self._attempts.get(job_id) is attempt:
                    del self._attempts[job_id]

    def running(self) -> list[Attempt]:
        """Return the attempts that this worker holds."""
        with self._lock:
            return list(self._attempts.values())

    def release_all(self) -> None:
        """Give every held job back to the queue; their threads, if they still come to an end, are fenced off.

        From now on no job is run: the worker is about to end.
        """
        with self._lock:
            self._leaving = True
        for attempt in self.running():
            self._give_back(attempt)

    def _give_back(self, attempt: Attempt) -> None:
        attempt.stop()
        try:
            self._store.release(attempt.claim)
        except redis.RedisError:
            logger.warning("job not released; its lease will expire", extra={"job_id": attempt.claim.id})

    def drain(self, timeout_s: float) -> None:
        """Let the suspect that runs come to its end, take no other, and give back whatever is held after that."""
        self._draining.set()
        self._suspects.put("")  # wakes the thread if it waits
        self._suspects_thread.join(timeout_s)
        self.release_all()

    def _run_suspects(self) -> None:
        while True:
            job_id = self._suspects.get()
            if self._draining.is_set():
                return
            try:
                self.run(job_id)
            except Exception:  # the lane must stay open for the next one
                logger.exception("suspect not run", extra={"job_id": job_id})

    def _outcome(self, attempt: Attempt) -> Callable[[], bool]:
        """Run the job; return the call that records how it ended."""
        claim = attempt.claim
        try:
            model = self._models.get(claim.model)  # held to the end, whatever version comes meanwhile
            if model is None or model.card.task != claim.task:
                raise UnknownModel(f"This worker does not serve model {claim.model} for {claim.task}.", param="model")
            answer = model.answer(attempt)
        except AttemptStopped:
            return lambda: self._store.confirm_cancel(claim)
        except TriptychError as error:
            failure = error
        except MemoryError:
            failure = OutOfMemory()
        except BaseException:  # SystemExit or a panic of a native library is the job's failure, not the worker's
            logger.exception("job failed", extra={"job_id": claim.id})
            failure = TriptychError()
        else:
            return lambda: self._store.succeed(claim, answer)
        return lambda: self._store.fail(claim, failure)

    def _record_progress(self, claim: Claim, num_done: int, num_parts: int) -> None:
        try:
            self._store.progress(claim, num_done, num_parts)
        except redis.RedisError:  # progress is not worth failing a job for
            logger.info("progress not recorded", extra={"job_id": claim.id})

    def _settle(self, attempt: Attempt, record: Callable[[], bool]) -> None:
        """Record the end, for as long as it takes, unless the job is somebody else's by now."""
        while True:
            try:
                if not record():
                    logger.info("answer thrown away: the job is no longer ours", extra={"job_id": attempt.claim.id})
                return
            except redis.RedisError as error:
                logger.warning("finish not recorded yet: %s", error, extra={"job_id": attempt.claim.id})
            if attempt.should_stop:
                return
            time.sleep(RETRY_PAUSE_S)
