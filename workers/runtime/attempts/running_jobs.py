"""The jobs in hand of a worker, whose tasks go on whenever what they wait for is there. Step 5 on the path of a job.

A job that waits for model calls needs no thread. Short work is done by the thread that calls `go_on`, which is the
intake's; what takes long, such as tokenizing a long text, runs on a pool meanwhile.
"""

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple

from msgspec import structs

from contracts.errors import TriptychError, UnknownModel
from contracts.jobs import Claim, Flow
from contracts.price.estimate import Consumed
from contracts.store.attempts.outcomes import Outcome, failed
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.ended import Ended
from workers.runtime.attempts.failures import as_job_error
from workers.runtime.attempts.holdings import Holdings
from workers.runtime.attempts.pool import Pool
from workers.runtime.attempts.running_job import RunningJob
from workers.runtime.models.versions import Models
from workers.runtime.price.prices import Prices
from workers.runtime.process.shared_state import SharedState

logger = logging.getLogger(__name__)
QUICK_BYTES = 256 << 10
"""Jobs that take more memory than this are worked on by the pool. It is a measure of their work, too: a text of 16 KiB
takes 5 ms, and so do the answers to a hundred short ones."""


class Advanced(NamedTuple):
    """A job that has gone on in the pool."""

    job: RunningJob
    outcome: Outcome | None


class RunningJobs:
    """The tasks of all jobs in hand. Only the intake's thread calls its methods.

    Args:
        models: what is served.
        shared: tells the heartbeat process which jobs are being prepared.
        prices: learns from each job that ends, and says what it has consumed.
        resume: called by attempts when what their tasks wait for is there, by any thread.
        advanced: called by the threads of the pool with each job that has gone on there; `take_back` wants it.
    """

    def __init__(
        self,
        models: Models,
        shared: SharedState,
        prices: Prices,
        *,
        resume: Callable[[Attempt], None],
        advanced: Callable[[Advanced], None],
    ) -> None:
        self._models = models
        self._shared = shared
        self._prices = prices
        self.working_s = 0.0
        """CPU time of the calling thread for tasks that went on here, not in the pool."""
        self._stopped_at: float | None = None
        """Its CPU time when the last task stopped, if the next one goes on at once: each reading takes 1 µs."""
        self._pool: Pool | None = None
        self._resume = resume
        self._report = advanced
        self._jobs: dict[Attempt, RunningJob] = {}
        self.holdings = Holdings()
        """Of these jobs, by flow."""
        self._ended: list[Ended] = []

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def num_in_pool(self) -> int:
        """Jobs that the pool works on, or that wait for one of its threads."""
        return 0 if self._pool is None else len(self._pool)

    @property
    def any_waits_for_thread(self) -> bool:
        """Whether a job waits for a thread of the pool."""
        return self._pool is not None and self._pool.num_waiting > 0

    @property
    def num_being_prepared(self) -> int:
        """Of these, the jobs of which nothing has been in a model call yet: the engine will get them."""
        return sum(not job.has_begun for job in self._pool) if self._pool else 0

    @property
    def flows_in_pool(self) -> set[Flow]:
        """The flows of these."""
        return set() if self._pool is None else {job.attempt.flow for job in self._pool}

    @property
    def flows_in_line(self) -> set[Flow]:
        """The flows of jobs of which nothing has been in a model call yet."""
        found: set[Flow] = set()
        for attempt, job in reversed(self._jobs.items()):  # most of those that came last are in line
            if len(found) == len(self.holdings):
                break
            if attempt.flow not in found and not job.has_begun:
                found.add(attempt.flow)
        return found

    def use(self, executor: Executor, num_threads: int) -> None:
        """Set the threads that do what takes long. Without any, everything is done at once."""
        self._pool = Pool(executor, num_threads, self._go_on_in_pool)

    def take_ended(self) -> list[Ended]:
        """Return the jobs that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def attempt_at(self, claim: Claim) -> Attempt:
        """Return the attempt that a claim stands for."""
        return Attempt(claim, self._resume)

    def begin(self, attempts: Iterable[Attempt]) -> None:
        """Let the tasks of attempts begin. Whatever happens, each job ends with an outcome."""
        self._stopped_at = None
        for attempt in attempts:
            self._begin(attempt)

    def _begin(self, attempt: Attempt) -> None:
        claim = attempt.claim
        try:
            model = self._models.get(claim.model)
            if model is None or model.card.task != claim.task:
                raise UnknownModel(f"This worker does not serve model {claim.model} for {claim.task}.", param="model")
            job = self._jobs[attempt] = model.start(attempt)
            self.holdings.add(attempt.flow, claim)
        except BaseException as error:
            if not isinstance(error, TriptychError):
                logger.exception("job not begun", extra=claim.log_fields)
            self._ended.append(Ended(attempt, failed(claim, as_job_error(error))))
        else:
            self._go_on(job)

    def take_back(self, advanced: Advanced) -> None:
        """Note that a job has gone on in the pool."""
        if self._pool is not None:
            self._pool.take_back(advanced.job)
        self._stopped_at = None
        self._note(*advanced)

    def go_on(self, attempts: Iterable[Attempt]) -> None:
        """Let tasks go on, as far as what they wait for is there, or they must end."""
        self._stopped_at = None
        for attempt in attempts:
            job = self._jobs.get(attempt)
            if job is not None and job.can_go_on and self._is_here(job):
                self._go_on(job)

    def go_on_with_all(self) -> None:
        """Let all tasks go on that can: those whose time is over, too."""
        self.go_on(list(self._jobs))

    def new_progress(self) -> list[tuple[Claim, int, int]]:
        """Return the jobs of which more is done than at the last call: parts done, and all parts."""
        return [(job.attempt.claim, *done) for job in self._jobs.values() if (done := job.new_progress())]

    def _is_here(self, job: RunningJob) -> bool:
        """Return whether no thread of the pool has the job. One that must end need not wait for a thread."""
        if self._pool is None or job.attempt not in self._pool:
            return True
        return job.must_end and self._pool.withdraw(job)

    def _go_on(self, job: RunningJob) -> None:
        is_quick = job.is_quick and job.attempt.claim.num_bytes <= QUICK_BYTES
        if self._pool is not None and not is_quick and not job.must_end:
            self._pool.put(job)
            return
        started = time.thread_time() if self._stopped_at is None else self._stopped_at
        outcome = self._advance(job)
        self._stopped_at = time.thread_time()
        job.attempt.counts.cpu_s += self._stopped_at - started
        self.working_s += self._stopped_at - started
        self._note(job, outcome)

    def _go_on_in_pool(self, job: RunningJob) -> None:
        outcome, started = None, time.thread_time()
        try:
            outcome = self._advance(job)
            job.attempt.counts.cpu_s += time.thread_time() - started
        finally:  # whatever happens here, the job must not be forgotten
            self._report(Advanced(job, outcome))

    def _advance(self, job: RunningJob) -> Outcome | None:
        self._shared.note_preparing(job.attempt.claim.id, True)
        try:
            return job.advance()
        finally:
            self._shared.note_preparing(job.attempt.claim.id, False)

    def _note(self, job: RunningJob, outcome: Outcome | None) -> None:
        if self._jobs.get(job.attempt) is not job:  # it has ended before: it would be recorded, and counted, twice
            return
        if outcome is not None:
            del self._jobs[job.attempt]
            self.holdings.remove(job.attempt.flow, job.attempt.claim)
            self._ended.append(Ended(job.attempt, structs.replace(outcome, consumed=self._consumed(job, outcome))))
        elif job.can_go_on:  # it is to be handed over, or what it waits for has come meanwhile
            self._go_on(job)

    def _consumed(self, job: RunningJob, outcome: Outcome) -> Consumed:
        try:
            return self._prices.ended(job.attempt, has_succeeded=outcome.status == "succeeded")
        except Exception:  # a bug of ours, and no job may be held for ever because of it
            logger.exception("work of a job not known", extra=job.attempt.claim.log_fields)
            return Consumed()
