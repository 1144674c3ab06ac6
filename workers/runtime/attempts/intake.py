"""Takes jobs from the store, lets their tasks go on, and records how they end. Steps 4 to 7 on the path of a job.

One thread does this for all jobs in hand: a call of the store carries many outcomes and many new jobs. Celery's
messages wake it when a queue has work, engines when results are there. It takes jobs only as fast as the engine uses
them up, so that the rest stays where idle workers find it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

import redis

from contracts.jobs import Claim
from contracts.store.attempt_store import AttemptStore
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.held import HeldAttempts
from workers.runtime.attempts.inbox import Inbox
from workers.runtime.attempts.listening import Listening
from workers.runtime.attempts.places import Places
from workers.runtime.attempts.room import JobRoom
from workers.runtime.attempts.running_jobs import Advanced, RunningJobs
from workers.runtime.attempts.standstill import Standstill
from workers.runtime.attempts.turns import Turns
from workers.runtime.attempts.wanted import NOBODY
from workers.runtime.engine.engine import Engine
from workers.runtime.models.versions import Models
from workers.runtime.price.prices import Prices
from workers.runtime.price.windows import Fullness
from workers.runtime.process.memory import trim_heap
from workers.runtime.process.shared_state import SharedState

logger = logging.getLogger(__name__)
RETRY_PAUSE_S = 0.5
"""Between two calls of a store that is out of reach, or after an error of ours."""
LOOK_PERIOD_S = 0.1
"""How soon a job notices that its time is over."""
PROGRESS_PERIOD_S = 0.5
DRAIN_POLL_S = 0.02
KNOWN_S = 2.0
"""How long jobs that were left in the store are taken to wait there still: other workers take them, too."""


class Intake:
    """The thread that moves on the jobs of a worker.

    Args:
        store: where jobs come from and go to.
        worker_id: of this worker.
        models: what is served.
        engine: how many jobs it wants decides how many are taken.
        shared: tells the heartbeat process which jobs are held.
        room: memory for jobs.
        prices: of the models.
        max_jobs: most jobs in hand; a group of suspects may exceed it.
    """

    def __init__(
        self,
        store: AttemptStore,
        worker_id: str,
        models: Models,
        engine: Engine,
        *,
        shared: SharedState,
        room: JobRoom,
        prices: Prices,
        max_jobs: int,
    ) -> None:
        self.held = HeldAttempts(store, shared)
        self._store = store
        self._shared = shared
        self._engine = engine
        self._room = room
        self._inbox = Inbox()
        self._listening = Listening()
        self._jobs = RunningJobs(models, shared, prices, resume=self._inbox.put, advanced=self._inbox.put)
        self._turns = Turns(store, worker_id, room)
        self._places = Places(engine, self._jobs, room, max_jobs)
        self._wanted = self._places.wanted(0)
        self._when_room: Callable[[], None] = lambda: None
        self._told = (True, True)
        """Whether there was room for anybody, and for newcomers."""
        self._retry_at = self._look_at = self._progress_at = 0.0
        self._standstill = Standstill(store.lease_s)
        self.fullness = Fullness()
        """Whether jobs wait, in the engine or in the store, on which this worker could work."""
        self._in_turn = False
        # Not an Event: it is set in the handler of SIGTERM, where the lock of an Event can deadlock.
        self._draining = False
        self._thread = threading.Thread(target=self._loop, name="intake", daemon=True)

    @property
    def has_room(self) -> bool:
        """Whether more jobs of anybody would be taken. A worker without room must take no message from others."""
        return self._wanted.is_for_all and not self._draining

    @property
    def has_room_for_newcomers(self) -> bool:
        """Whether jobs of flows of which nothing waits here would be taken."""
        return self._wanted.num_jobs > 0 and not self._draining

    @property
    def is_listening(self) -> bool:
        """Whether messages are to be taken as far as there is room."""
        return self._listening.is_on

    @property
    def taking_s(self) -> float:
        """CPU time so far to take jobs from the store and to record their ends. Any thread may read it."""
        if self._thread.ident is None or not self._thread.is_alive():
            return 0.0
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident)) - self._jobs.working_s

    def start(self, pool: Executor, num_threads: int) -> None:
        """Begin to take jobs. What takes long runs on the pool, which has so many threads.

        Raises:
            RuntimeError: the system has no thread left for them.
        """
        self._jobs.use(pool, num_threads)
        self._engine.when_wanted(lambda: self._inbox.put(None))
        self._thread.start()

    def when_room(self, call: Callable[[], None]) -> None:
        """Set what is called each time that there is room again, or that messages are to be taken again."""
        self._when_room = call

    def wake(self, queue: str) -> None:
        """Note that a queue has work, or the list of it for newcomers. Does not wait."""
        self._listening.note_taken()
        self._inbox.put(queue)

    def begin_drain(self) -> None:
        """Take no more jobs."""
        self._draining = True

    def drain(self, timeout_s: float) -> None:
        """Wait until the jobs in hand have ended, for ``timeout_s`` at most; then release those that have not."""
        self.begin_drain()
        until = time.monotonic() + timeout_s
        # A call that is on its way may still bring jobs.
        while (self.held.all() or self._in_turn or self._turns.is_unanswered) and time.monotonic() < until:
            time.sleep(DRAIN_POLL_S)
        self.held.release_all()

    def _loop(self) -> None:
        while True:
            try:
                self._step()
            except redis.RedisError as error:
                self._standstill.note_outage()
                self._shared.note_turn()  # it is the store that stands still
                logger.warning("jobs neither taken nor ended yet", extra={"error": str(error)})
                self._retry_at = time.monotonic() + RETRY_PAUSE_S
            except BaseException:  # without this thread the worker would seem alive and do nothing
                logger.exception("the intake failed")
                time.sleep(RETRY_PAUSE_S)

    # No local variable of `_loop` may refer to a job. It would keep a replaced version of a model in memory for as long
    # as nothing arrives, so everything that does is in the methods below.

    def _step(self) -> None:
        self._receive()
        self._standstill.look()
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_PERIOD_S
            self._jobs.go_on_with_all()
        self._turns.add(self._jobs.take_ended())
        if now >= self._retry_at:
            self._look_for_places()
            self._take_turn()
            self._record_progress(now)
        self._tell_of_room()
        self.fullness.note(now >= self._retry_at and self._any_waits(now))

    def _any_waits(self, now: float) -> bool:
        """Return whether jobs wait on which this worker could work."""
        sources = self._turns.sources
        if now < sources.known_at + KNOWN_S and sources.any_known():
            return True
        return self._jobs.any_waits_for_thread or bool(self._engine.waiting_flows())

    def _receive(self) -> None:
        """Wait for messages, and do what they ask for."""
        attempts, advanced, queues = self._inbox.receive(self._wait_s())
        self._listening.note_received(len(queues), time.monotonic())
        for queue in queues:
            self._turns.sources.wake(queue)
        for job in advanced:
            self._take_back(job)
        if queues and not self._must_call:  # suspects that wait for others
            self._shared.note_turn()
        # Those that were in the pool, too: what they wait for may have come before they waited.
        self._jobs.go_on([*attempts, *(job.job.attempt for job in advanced)])

    def _take_back(self, advanced: Advanced) -> None:
        try:
            self._jobs.take_back(advanced)
        except Exception:  # the others that have come with it must not be lost
            logger.exception("a job of the pool not taken back", extra=advanced.job.attempt.claim.log_fields)

    def _wait_s(self) -> float | None:
        """Return how long there may be nothing to do but to wait for a message."""
        if self._must_call:
            return max(0.0, min(LOOK_PERIOD_S, self._retry_at - time.monotonic()))
        if not self._listening.is_on:
            return min(LOOK_PERIOD_S, self._listening.wait_s(time.monotonic()))
        return LOOK_PERIOD_S if self._jobs or not self._wanted.is_for_all else None

    @property
    def _must_call(self) -> bool:
        """Whether there is something to record, or jobs may wait that this worker wants."""
        return self._turns.is_due or self._turns.may_find(self._wanted)

    def _take_turn(self) -> None:
        """Record outcomes and take jobs, with one call of the store."""
        if self.held.leaving:
            self._forget(self._turns.drop_outcomes())
        if self._must_call:  # also when the worker leaves: what a lost reply has started goes back, too
            self._jobs.begin(self._exchange())
            self._turns.add(self._jobs.take_ended())

    def _exchange(self) -> list[Attempt]:
        """Return the attempts that a call has started. All are held before the first begins: it may end this worker."""
        if self._standstill.was_noticed():  # a turn could start what is in hand once more
            self.held.keep()
        self._in_turn = True
        try:
            exchange = self._turns.take(self._wanted)
            self._shared.note_turn()
            self._forget(exchange.ended)
            return [attempt for claim in exchange.claims if (attempt := self._hold(claim))]
        finally:
            self._in_turn = False

    def _hold(self, claim: Claim) -> Attempt | None:
        """Return a new attempt, or None if the worker leaves and has released it."""
        attempt = self._jobs.attempt_at(claim)
        self._room.reserve(attempt)
        return attempt if self.held.add(attempt) else None

    def _forget(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            self.held.remove(attempt)
            if self._room.give_back(attempt):
                trim_heap()  # what a large job has used would otherwise stay with this process

    def _record_progress(self, now: float) -> None:
        if now >= self._progress_at:
            self._progress_at = now + PROGRESS_PERIOD_S
            try:
                if done := self._jobs.new_progress():
                    self._store.progress(done)
            except redis.RedisError as error:  # turns need no pause because of that
                self._standstill.note_outage()
                logger.warning("progress of jobs not recorded", extra={"error": str(error)})

    def _look_for_places(self) -> None:
        may_take = not (self._draining or self.held.leaving)
        self._wanted = self._places.wanted(self._turns.num_kept) if may_take else NOBODY

    def _tell_of_room(self) -> None:
        """Say so if there is room that was not there after the last step, or if messages are to be taken again."""
        self._look_for_places()
        if not self._wanted.is_for_all:
            self._shared.note_turn()
        had_room, self._told = self._told, (self._wanted.is_for_all, self._wanted.num_jobs > 0)
        resumed = self._listening.resume(time.monotonic(), is_idle=not self._jobs)
        if self._told > had_room or (resumed and any(self._told)):
            self._when_room()
