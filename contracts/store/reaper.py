"""The reaper: a thread in every gateway and every worker that looks after jobs nobody looks after.

Each second it takes jobs back from dead workers, gives queued jobs a new message where theirs was lost, and expires
what passed its deadline, even while no worker is alive. There is no leader: one look is one Lua script.
"""

import logging
import threading

import redis

from contracts.store.job_store import JobStore

logger = logging.getLogger(__name__)
PERIOD_S = 1.0


class Reaper:
    """Calls ``JobStore.reap`` each second until it is stopped."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="reaper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current look."""
        self._stop.set()

    def _loop(self) -> None:
        while not self._stop.wait(PERIOD_S):
            try:
                taken, republished = self._store.reap()
            except redis.RedisError as error:
                logger.warning("reaper could not reach the store: %s", error)
                continue
            if taken or republished:
                logger.warning("reaped", extra={"taken_from_dead_workers": taken, "messages_replaced": republished})
