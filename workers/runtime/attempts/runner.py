"""Takes jobs from the store, lets their tasks go on, and records how they end. Steps 4 and 7 on the path of a job.

One thread does all three for all jobs in hand: a call of the store carries many outcomes and many new jobs, and a job
that waits for model calls needs no thread. What takes long, such as tokenizing a long text, runs on a pool meanwhile.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import NamedTuple

import redis

from contracts.errors import UnknownModel
from contracts.jobs import Claim, queue_of
from contracts.store.attempt_store import MAX_JOBS, AttemptStore, Outcome, failed, new_token
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.held import HeldAttempts
from workers.runtime.attempts.room import JobRoom
from workers.runtime.attempts.running_job import RunningJob
from workers.runtime.models.versions import Models
from workers.runtime.process.memory import trim_heap
from workers.runtime.process.shared_state import SharedState

logger = logging.getLogger(__name__)
RETRY_PAUSE_S = 0.5
"""Between two calls of a store that is out of reach."""
LOOK_PERIOD_S = 0.5
"""How soon a job notices its timeout, and how often its progress is recorded."""
QUICK_BYTES = 16 << 10
"""Requests up to this size are worked on by the intake's own thread, if their tasks are quick."""
MAX_OUTCOME_BYTES = 1 << 20
"""Of one call: larger ones would keep the store from others. A single outcome may be larger."""


class _Advanced(NamedTuple):
    """A job that has gone on in the pool."""

    job: RunningJob
    outcome: Outcome | None


_Message = Attempt | _Advanced | str | None
"""An attempt that can go on; a job that has gone on; a queue that has work; nothing but a reason to look."""


class JobRunner:
    """The jobs in hand of a worker, and the thread that moves them on.

    Args:
        store: where jobs come from and go to.
        worker_id: of this worker.
        models: what is served.
        shared: tells the heartbeat process which jobs are held.
        room: memory for jobs.
        max_jobs: most jobs in hand; a group of suspects may exceed it.
    """

    def __init__(
        self,
        store: AttemptStore,
        worker_id: str,
        models: Models,
        shared: SharedState,
        room: JobRoom,
        *,
        max_jobs: int,
    ) -> None:
        self.held = HeldAttempts(store, shared)
        self._store = store
        self._worker_id = worker_id
        self._models = models
        self._shared = shared
        self._room = room
        self._max_jobs = max_jobs
        self._pool: Executor | None = None
        self._inbox: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._jobs: dict[Attempt, RunningJob] = {}
        self._in_pool: set[Attempt] = set()
        self._outcomes: list[tuple[Attempt, Outcome]] = []
        self._when_room: Callable[[], None] = lambda: None
        self._had_room = True
        self._turns = 0
        self._token = new_token()
        self._awake = False
        """Whether jobs may wait in a queue."""
        # Not an Event: it is set in the handler of SIGTERM, where the lock of an Event can deadlock.
        self._draining = False
        self._thread = threading.Thread(target=self._loop, name="intake", daemon=True)

    @property
    def has_room(self) -> bool:
        """Whether more jobs could be taken. A worker without room must take no message from others."""
        return not self._draining and len(self._jobs) < self._max_jobs

    def start(self, pool: Executor) -> None:
        """Begin to take jobs. What takes long runs on the pool."""
        self._pool = pool
        self._thread.start()

    def when_room(self, call: Callable[[], None]) -> None:
        """Set what is called each time that there is room again."""
        self._when_room = call

    def wake(self, queue: str) -> None:
        """Note that a queue has work. Does not wait."""
        self._inbox.put(queue)

    def begin_drain(self) -> None:
        """Take no more jobs."""
        self._draining = True

    def drain(self, timeout_s: float) -> None:
        """Wait until the jobs in hand have ended, for ``timeout_s`` at most; then release those that have not."""
        self.begin_drain()
        until = time.monotonic() + timeout_s
        while self.held.all() and time.monotonic() < until:
            time.sleep(0.02)
        self.held.release_all()

    def _loop(self) -> None:
        looked_at = time.monotonic()
        while True:
            try:
                for job in self._receive():
                    self._go_on(job)
                if time.monotonic() - looked_at > LOOK_PERIOD_S:
                    looked_at = time.monotonic()
                    self._look_after_all()
                self._take_turns()
                if not self._may_take:
                    self._shared.note_turn()
            except redis.RedisError as error:
                self._shared.note_turn()  # it is the store that stands still
                logger.warning("jobs neither taken nor ended yet", extra={"error": str(error)})
                time.sleep(RETRY_PAUSE_S)
            except BaseException:  # without this thread the worker would seem alive and do nothing
                logger.exception("the intake failed")
                time.sleep(RETRY_PAUSE_S)

    def _receive(self) -> list[RunningJob]:
        """Wait for messages, and handle all that are there; return the jobs that can go on."""
        ready: dict[Attempt, None] = {}
        wait_s: float = 0 if self._outcomes else LOOK_PERIOD_S
        try:
            while True:
                match self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get_nowait():
                    case Attempt() as attempt:
                        ready[attempt] = None
                    case _Advanced(job, outcome):
                        self._in_pool.discard(job.attempt)
                        self._advanced(job, outcome)
                        ready[job.attempt] = None  # what it waits for may have come before it waited
                    case str() as name:
                        self._awake = True
                        if not self.has_room:
                            self._store.wake_queues([name])  # the message was meant for a worker that has
                    case None:
                        pass
                wait_s = 0
        except queue.Empty:
            pass
        jobs = (self._jobs.get(attempt) for attempt in ready if attempt not in self._in_pool)
        return [job for job in jobs if job is not None and job.can_go_on]

    def _go_on(self, job: RunningJob) -> None:
        claim = job.attempt.claim
        if job.is_quick and len(claim.request) <= QUICK_BYTES:
            with self._shared.preparing(claim.id):
                self._advanced(job, job.advance())
        else:
            self._in_pool.add(job.attempt)
            self._pool.submit(self._advance_in_pool, job)

    def _advance_in_pool(self, job: RunningJob) -> None:
        with self._shared.preparing(job.attempt.claim.id):
            outcome = job.advance()
        self._inbox.put(_Advanced(job, outcome))

    def _advanced(self, job: RunningJob, outcome: Outcome | None) -> None:
        if outcome is not None:
            del self._jobs[job.attempt]
            self._outcomes.append((job.attempt, outcome))

    def _look_after_all(self) -> None:
        """Let jobs go on whose time is over or which must stop, and record what others have done."""
        for job in [job for attempt, job in self._jobs.items() if attempt not in self._in_pool and job.can_go_on]:
            self._go_on(job)
        done = [(job.attempt.claim, *progress) for job in self._jobs.values() if (progress := job.new_progress())]
        if done:
            self._store.progress(done)

    def _take_turns(self) -> None:
        """Record outcomes and take jobs, until neither is left to do."""
        while self._outcomes or self._can_take():
            outcomes = self._next_outcomes()
            max_jobs = min(MAX_JOBS, self._max_jobs - len(self._jobs)) if self._can_take() else 0
            turn = self._store.turn(
                self._worker_id,
                [outcome for _, outcome in outcomes],
                sources=self._queues() if max_jobs else (),
                max_jobs=max_jobs,
                room=self._room.small,
                token=self._token,
            )
            self._token = new_token()
            if max_jobs:
                self._shared.note_turn()
            del self._outcomes[: len(outcomes)]
            for (attempt, _), accepted in zip(outcomes, turn.accepted, strict=True):
                self._ended(attempt, accepted)
            if turn.too_large:
                self._room.wait_for(turn.too_large)
            self._awake = self._awake and (not max_jobs or len(turn.claims) >= max_jobs)
            self._begin(turn.claims)
            self._take_large()

            self._tell_of_room()

    def _tell_of_room(self) -> None:
        had_room, self._had_room = self._had_room, self.has_room
        if self._had_room and not had_room:
            self._when_room()

    def _can_take(self) -> bool:
        return self._awake and self._may_take

    @property
    def _may_take(self) -> bool:
        return self.has_room and not self.held.leaving and self._room.small.num_bytes > 0

    def _next_outcomes(self) -> list[tuple[Attempt, Outcome]]:
        found: list[tuple[Attempt, Outcome]] = []
        num_bytes = 0
        for attempt, outcome in self._outcomes[:MAX_JOBS]:
            num_bytes += sum(len(value) for value in outcome.fields)
            if found and num_bytes > MAX_OUTCOME_BYTES:
                break
            found.append((attempt, outcome))
        return found

    def _begin(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            attempt = Attempt(claim, self._inbox.put)
            self._room.reserve(claim.id, claim.num_bytes)
            if not self.held.add(attempt):  # the worker leaves, and has released it
                continue
            model = self._models.get(claim.model)
            if model is None or model.card.task != claim.task:
                unknown = UnknownModel(
                    f"This worker does not serve model {claim.model} for {claim.task}.", param="model"
                )
                self._outcomes.append((attempt, failed(claim, unknown)))
            else:
                job = self._jobs[attempt] = model.start(attempt)
                self._go_on(job)

    def _ended(self, attempt: Attempt, accepted: bool) -> None:
        if not accepted:
            logger.info("outcome refused: the attempt has lost its job", extra=attempt.claim.log_fields)
        self.held.remove(attempt)
        if self._room.give_back(attempt.claim.id):
            trim_heap()  # what a large job has used would otherwise stay with this process

    def _take_large(self) -> None:
        """Take the large job whose turn it is."""
        if self._draining or self.held.leaving or (job_id := self._room.next_large()) is None:
            return
        claims = self._store.turn(self._worker_id, sources=[job_id], max_jobs=1, room=self._room.large).claims
        if not claims:  # it runs elsewhere, or has ended
            self._room.give_back(job_id)
        self._begin(claims)

    def _queues(self) -> list[str]:
        """Return the queues of all models, those of suspects first; each time another model comes first."""
        names = self._models.names()
        turn = self._turns % len(names)
        self._turns += 1
        ordered = names[turn:] + names[:turn]
        return [queue_of(name, suspect=suspect) for suspect in (True, False) for name in ordered]
