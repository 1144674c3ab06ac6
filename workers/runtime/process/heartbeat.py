"""The heartbeat: renews the leases of a worker's jobs, tells that it is alive, and ends it when it is not.

A third of a lease after the last beat, one call renews all leases and learns which jobs must stop.
"""

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
from workers.runtime.attempts.harness import Harness
from workers.runtime.engine.engine import Engine
from workers.runtime.models.versions import Models

logger = logging.getLogger(__name__)
ANNOUNCE_PERIOD_S = 30.0
LAST_BEAT_S = 1.0


class Watchdog:
    """Tells when the worker must end: a model call that never returns, or messages that are never taken."""

    def __init__(self, *, hard_limit_s: float, stall_s: float) -> None:
        self._hard_limit_s = hard_limit_s
        self._stall_s = stall_s
        self._idle_since: float | None = None

    def verdict(self, *, busy_since: float | None, num_running: int, num_messages: int, now: float) -> str | None:
        """Return why the worker must end, or None. Times are ``time.monotonic()``."""
        if busy_since is not None and now - busy_since > self._hard_limit_s:
            return f"a model call has run for more than {self._hard_limit_s:g} s"
        if num_running or not num_messages:
            self._idle_since = None
            return None
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since > self._stall_s:
            return f"messages have waited for {self._stall_s:g} s beside an idle worker"
        return None


class Heartbeat:
    """A thread that beats every third of a lease."""

    def __init__(
        self,
        worker_id: str,
        *,
        store: AttemptStore,
        queues: QueueStats,
        registry: Registry,
        harness: Harness,
        engine: Engine,
        models: Models,
        watchdog: Watchdog,
    ) -> None:
        self._worker_id = worker_id
        self._store = store
        self._queues = queues
        self._registry = registry
        self._harness = harness
        self._engine = engine
        self._models = models
        self._watchdog = watchdog
        self._started_at = time.time()
        self._announced = float("-inf")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Announce the models and start the thread."""
        self._thread.start()

    def announce(self) -> None:
        """Announce the models now, since one has changed; what fails is made good by the next beats."""
        try:
            self._announce_all()
        except redis.RedisError as error:
            self._announced = float("-inf")
            logger.warning("models not announced yet: %s", error)

    def stop(self) -> None:
        """Stop beating, and tell that this worker has left."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(LAST_BEAT_S)  # a beat after the leave would make this worker seem alive
        try:
            self._registry.leave(self._worker_id)
        except redis.RedisError:
            logger.info("could not take leave; the heartbeat key will expire")

    def _loop(self) -> None:
        while True:
            try:
                self._beat()
            except redis.RedisError as error:
                logger.warning("heartbeat failed: %s", error)
            if self._stop.wait(self._store.lease_s / 3):
                return

    def _beat(self) -> None:
        attempts = {attempt.claim.id: attempt for attempt in self._harness.running()}
        if attempts:
            for job_id in self._store.renew_leases((job_id, a.claim.attempt) for job_id, a in attempts.items()):
                attempts[job_id].stop()
        # The models first: whoever sees a worker alive may count on its models being known, even if it dies at once.
        if time.monotonic() - self._announced > ANNOUNCE_PERIOD_S:
            self._announce_all()
        self._registry.beat(self._card(len(attempts)), ttl_s=self._store.lease_s)
        self._watch(len(attempts))

    def _announce_all(self) -> None:
        for card in self._models.cards():
            self._registry.announce(card)
        self._announced = time.monotonic()

    def _watch(self, num_running: int) -> None:
        reason = self._watchdog.verdict(
            busy_since=self._engine.figures().busy_since,
            num_running=num_running,
            num_messages=sum(self._queues.num_messages(queue_of(name)) for name in self._models.names()),
            now=time.monotonic(),
        )
        if reason:
            logger.error("worker ends itself: %s", reason)
            self._harness.release_all()
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
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
