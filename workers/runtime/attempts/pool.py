"""The threads for what takes long, such as tokenizing a long text. Flows share them. Step 5 on the path of a job."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from contracts.jobs import OPEN_TENANT, Flow
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.running_job import RunningJob
from workers.runtime.sharing.waiting_queue import WaitingQueue


class Pool:
    """Jobs that threads go on with, or that wait for one: iterating yields both. Only the intake's thread uses it.

    One tenant has at most all but one of several threads, so that what is short does not wait for its long texts. In an
    open gateway, where all clients are one tenant, that holds for a lane.

    Args:
        executor: has the threads.
        num_threads: how many there are.
        go_on: what a thread does with a job.

    Raises:
        RuntimeError: the system has no such thread left.
    """

    def __init__(self, executor: Executor, num_threads: int, go_on: Callable[[RunningJob], None]) -> None:
        _start_threads(executor, num_threads)
        self._executor = executor
        self._num_threads = num_threads
        self._go_on = go_on
        self._waiting: WaitingQueue[RunningJob, None] = WaitingQueue()
        self._running: dict[Attempt, RunningJob] = {}
        self._jobs: dict[Attempt, RunningJob] = {}
        """All of these."""

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[RunningJob]:
        return iter(self._jobs.values())

    def __contains__(self, attempt: Attempt) -> bool:
        return attempt in self._jobs

    @property
    def num_waiting(self) -> int:
        """Jobs that wait for a thread."""
        return len(self._waiting)

    def put(self, job: RunningJob) -> None:
        """Let a thread go on with a job; `take_back` must follow."""
        self._jobs[job.attempt] = job
        self._waiting.add(job, [None], job.attempt.claim)
        self._fill()

    def take_back(self, job: RunningJob) -> None:
        """Note that a thread is done with a job."""
        self._jobs.pop(job.attempt, None)
        self._running.pop(job.attempt, None)
        self._fill()

    def withdraw(self, job: RunningJob) -> bool:
        """Remove a job unless a thread has it; return whether it was removed."""
        if job.attempt in self._running or self._jobs.pop(job.attempt, None) is None:
            return False
        self._waiting.remove(job)
        return True

    def _fill(self) -> None:
        while len(self._running) < self._num_threads and (job := self._next()):
            self._waiting.pop(job)
            self._running[job.attempt] = job
            self._start(job)

    def _next(self) -> RunningJob | None:
        """Return the job for a free thread, or None."""
        in_use = Counter(job.attempt.flow for job in self._running.values())
        bounded = Counter(_bounded(job) for job in self._running.values())
        most = max(1, self._num_threads - 1)
        waiting = self._waiting.peek(in_use, lambda job, _: bounded[_bounded(job)] < most)
        return waiting[0] if waiting else None

    def _start(self, job: RunningJob) -> None:
        try:
            self._executor.submit(self._go_on, job)
        except RuntimeError:  # Celery was told to stop at once, and has stopped its threads
            self._go_on(job)


def _start_threads(executor: Executor, num_threads: int) -> None:
    """Start all threads. If an executor can't start one later, it raises an error, and yet runs what it was given."""
    all_there = threading.Barrier(num_threads + 1)
    try:
        for _ in range(num_threads):
            executor.submit(all_there.wait)  # which keeps a thread busy until there is one for each
        all_there.wait()
    except RuntimeError:
        all_there.abort()
        raise


def _bounded(job: RunningJob) -> str | Flow:
    """Return whose jobs may not have all threads."""
    claim = job.attempt.claim
    return claim.flow if claim.tenant == OPEN_TENANT else claim.tenant
