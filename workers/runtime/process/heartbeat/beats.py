"""What the heartbeat process does for its worker, three times in each lease. It runs in that process only."""

import logging
import time
from collections.abc import Callable

import redis

from contracts.cards import ModelCard, WorkerCard
from contracts.price.profile import ModelProfile
from contracts.store.attempt_store import AttemptStore
from contracts.store.profiles import Profiles
from contracts.store.queues.stats import QueueStats
from contracts.store.registry import Registry
from workers.runtime.process.heartbeat.dead_workers import DeadWorkers
from workers.runtime.process.heartbeat.liveness import Liveness
from workers.runtime.process.heartbeat.messages import Beaten, Exit, ToWorker
from workers.runtime.process.shared_state import SharedState
from workers.runtime.process.watchdog import Watchdog

logger = logging.getLogger(__name__)
ANNOUNCE_PERIOD_S = 30.0
"""Models stay announced for a week; repeating it soon brings them back after the store has lost its data."""
SPEED_NEWS, SPEED_PERIOD_S = 0.1, 1.0
"""A speed that has changed by so much of itself is announced before the next beat, but not twice in this time."""


class Beats:
    """Renews the leases of a worker's jobs, announces the worker and its models, and feeds the watchdog.

    Args:
        store: where leases are renewed.
        queues: counts waiting jobs for the watchdog.
        registry: where workers and models are announced.
        profiles: where it is kept what models cost.
        state: what the worker shares.
        liveness: looks at the worker.
        watchdog: says when it must end.
        dead_workers: looks for others of this host that have died.
        tell: sends a message to the worker.
    """

    def __init__(
        self,
        store: AttemptStore,
        queues: QueueStats,
        registry: Registry,
        profiles: Profiles,
        *,
        state: SharedState,
        liveness: Liveness,
        watchdog: Watchdog,
        dead_workers: DeadWorkers,
        tell: Callable[[ToWorker], None],
    ) -> None:
        self._store = store
        self._queues = queues
        self._registry = registry
        self._kept = profiles
        self._state = state
        self._liveness = liveness
        self._watchdog = watchdog
        self._dead_workers = dead_workers
        self._tell = tell
        self._card: WorkerCard | None = None
        """The worker's card, once it has sent one."""
        self._profiles: dict[str, ModelProfile] = {}
        self._announced_speed = 0.0
        self._beaten_at = float("inf")
        self._models: list[ModelCard] = []
        self._announced_at = float("-inf")
        self._was_alive = True

    def beat(self) -> bool:
        """Beat once if the worker lives; return whether it must end."""
        stop: set[tuple[str, int]] = set()
        num_waiting = 0
        prices: dict[str, ModelProfile] = {}
        try:
            self._dead_workers.own_lives()
            if self._worker_lives():
                stop = self._renew_leases()
                self._announce()
                prices = self._keep_profiles()
            self._dead_workers.look()
            num_waiting = sum(self._queues.depth(card.name)[0] for card in self._models)
        except redis.RedisError as error:
            logger.warning("heartbeat failed", extra={"error": str(error)})
        except Exception:  # without this process every job would lose its lease, and be blamed for a crash
            logger.exception("heartbeat failed")
        # Also while the store is out of reach: a model call that hangs must end the worker then, too.
        reason = self._watch(num_waiting)
        self._tell(Exit(reason) if reason else Beaten(sorted(stop), prices))
        return reason is not None

    def announce(self, models: list[ModelCard]) -> None:
        """Announce models now, because one has changed. If the store is out of reach, the next beat does it."""
        self._models = models
        self._announced_at = float("-inf")
        try:
            self._announce_models()
            self._keep_profiles()  # so that the first jobs have a price
        except redis.RedisError as error:
            logger.warning("models not announced yet", extra={"error": str(error)})

    def note(self, card: WorkerCard, profiles: dict[str, ModelProfile]) -> None:
        """Note the worker's card and what its models cost, for the next beat. A new speed is announced at once."""
        self._card, self._profiles = card, profiles
        change = abs(card.speed - self._announced_speed)
        if change < SPEED_NEWS * self._announced_speed or time.monotonic() < self._beaten_at + SPEED_PERIOD_S:
            return
        try:
            self._beat()
        except redis.RedisError as error:
            logger.info("speed not announced yet", extra={"error": str(error)})

    def leave(self) -> None:
        """Remove the worker, which ends in an orderly way, from the registry."""
        self._dead_workers.own_left()
        self._unregister()

    def worker_died(self) -> None:
        """Give back the jobs of a worker that died, and remove it from the registry."""
        self._dead_workers.own_died(self._state)
        self._unregister()

    def _unregister(self) -> None:
        if self._card is None:
            return
        try:
            self._registry.leave(self._card.id)
        except redis.RedisError:
            logger.info("worker not removed from the registry; its heartbeat key will expire")

    def _worker_lives(self) -> bool:
        alive = self._liveness.check()
        if alive != self._was_alive:
            logger.warning("worker goes on" if alive else "worker stands still; its leases are not renewed")
        self._was_alive = alive
        return alive

    def _renew_leases(self) -> set[tuple[str, int]]:
        """Renew the leases of all held attempts; return those that have lost their jobs."""
        # An attempt may end while the call is under way. That does no harm: the store renews nothing of a finished job,
        # and stopping an ended attempt has no effect.
        attempts = {attempt.job_id: attempt.attempt for attempt in self._state.attempts()}
        lost = self._store.renew_leases(attempts.items()) if attempts else set()
        return {(job_id, attempts[job_id]) for job_id in lost}

    def _announce(self) -> None:
        # The models come first: a gateway that sees a live worker must also know its models. Otherwise it would never
        # get ready if this worker died in between.
        if time.monotonic() - self._announced_at > ANNOUNCE_PERIOD_S:
            self._announce_models()
        self._beat()

    def _beat(self) -> None:
        # The card lives as long as a lease, three beats, so one lost beat does not make the worker seem dead.
        if self._card is not None:
            self._registry.beat(self._card, ttl_s=self._store.lease_s)
            self._announced_speed, self._beaten_at = self._card.speed, time.monotonic()

    def _keep_profiles(self) -> dict[str, ModelProfile]:
        """Keep what the models cost here; return what they cost on all workers."""
        if self._card is None or not self._profiles:
            return {}
        return self._kept.write(self._card.id, self._card.speed, self._profiles)

    def _announce_models(self) -> None:
        self._registry.announce(*self._models)
        self._announced_at = time.monotonic()

    def _watch(self, num_waiting: int) -> str | None:
        if self._liveness.stopped:  # somebody wants it so
            return None
        return self._watchdog.reason_to_exit(
            busy_since=self._state.busy_since(),
            without_progress_s=self._liveness.without_progress_s(),
            last_turn=self._state.last_turn(),
            num_waiting=num_waiting,
            now=time.monotonic(),
        )
