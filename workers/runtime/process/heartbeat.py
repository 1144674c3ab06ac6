"""The heartbeat: renews the leases of a worker's jobs, announces the worker and its models, and feeds the watchdog."""

import logging
import os
import socket
import threading
import time
from pathlib import Path

import redis

from contracts.cards import WorkerCard
from contracts.jobs import queue_of
from contracts.store.attempt_store import AttemptStore
from contracts.store.queue_stats import QueueStats
from contracts.store.registry import Registry
from workers.runtime.attempts.held import HeldAttempts
from workers.runtime.engine.engine import Engine
from workers.runtime.models.versions import Models
from workers.runtime.process.watchdog import Watchdog

logger = logging.getLogger(__name__)
ANNOUNCE_PERIOD_S = 30.0
"""Models stay announced for a week; repeating it soon brings them back after the store has lost its data."""
LAST_BEAT_S = 1.0
"""Longest wait for a beat that is under way when the heartbeat stops."""


class Heartbeat:
    """A thread that beats three times in each lease, so that one lost beat costs no job."""

    def __init__(
        self,
        worker_id: str,
        *,
        store: AttemptStore,
        queues: QueueStats,
        registry: Registry,
        held: HeldAttempts,
        engine: Engine,
        models: Models,
        watchdog: Watchdog,
    ) -> None:
        self._worker_id = worker_id
        self._store = store
        self._queues = queues
        self._registry = registry
        self._held = held
        self._engine = engine
        self._models = models
        self._watchdog = watchdog
        self._started_at = time.time()
        self._announced_at = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread. Its first beat announces the models."""
        self._thread.start()

    def announce(self) -> None:
        """Announce the models now, because one has changed. If the store is out of reach, the next beat does it."""
        try:
            self._announce_models()
        except redis.RedisError as error:
            self._announced_at = float("-inf")
            logger.warning("models not announced yet: %s", error)

    def stop(self) -> None:
        """Stop beating, and remove this worker from the registry."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(LAST_BEAT_S)  # a beat after the removal would make this worker seem alive
        try:
            self._registry.leave(self._worker_id)
        except redis.RedisError:
            logger.info("worker not removed from the registry; its heartbeat key will expire")

    def _loop(self) -> None:
        while True:
            try:
                self._beat()
            except redis.RedisError as error:
                logger.warning("heartbeat failed: %s", error)
            except Exception:  # without this thread every job would lose its lease, and be blamed for a crash
                logger.exception("heartbeat failed")
            if self._stopping.wait(self._store.lease_s / 3):
                return

    def _beat(self) -> None:
        num_running = self._renew_leases()
        # The models come first: a gateway that sees a live worker must also know its models. Otherwise it would never
        # get ready if this worker died in between.
        if time.monotonic() - self._announced_at > ANNOUNCE_PERIOD_S:
            self._announce_models()
        # The card lives as long as a lease, three beats, so one lost beat does not make the worker seem dead.
        self._registry.beat(self._card(num_running), ttl_s=self._store.lease_s)
        self._watch(num_running)

    def _renew_leases(self) -> int:
        """Renew the leases of all held attempts, and stop those that have lost their jobs; return the number held."""
        # An attempt may end while the call is under way. That does no harm: the store renews nothing of a finished job,
        # and stopping an ended attempt has no effect.
        attempts = {attempt.claim.id: attempt for attempt in self._held.all()}
        if attempts:
            pairs = ((job_id, attempt.claim.attempt) for job_id, attempt in attempts.items())
            for job_id in self._store.renew_leases(pairs):
                attempts[job_id].stop()
        return len(attempts)

    def _announce_models(self) -> None:
        for card in self._models.cards():
            self._registry.announce(card)
        self._announced_at = time.monotonic()

    def _watch(self, num_running: int) -> None:
        num_messages = sum(self._queues.num_messages(queue_of(name)) for name in self._models.names())
        reason = self._watchdog.reason_to_exit(
            busy_since=self._engine.figures().busy_since,
            num_running=num_running,
            num_messages=num_messages,
            now=time.monotonic(),
        )
        if reason:
            logger.error("worker exits: %s", reason)
            # Released jobs run elsewhere at once. Otherwise their leases would have to expire, as after a crash.
            self._held.release_all()
            # Not sys.exit: that would wait for the thread that is stuck.
            os._exit(1)

    def _card(self, num_running: int) -> WorkerCard:
        figures = self._engine.figures()
        return WorkerCard(
            id=self._worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            models=self._models.names(),
            started_at=self._started_at,
            running=num_running,
            num_batches=figures.num_batches,
            num_rows=figures.num_rows,
            real_tokens=figures.real_length,
            padded_tokens=figures.padded_length,
            rss_bytes=_rss_bytes(),
            generation=figures.generation,
        )


def _rss_bytes() -> int:
    num_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return num_pages * os.sysconf("SC_PAGE_SIZE")
