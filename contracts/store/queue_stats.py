"""Counts of queued, unfinished and finished jobs: read by the gateway's metrics and by a worker's watchdog."""

import redis

from contracts.jobs import queue_of
from contracts.store.clock import store_time
from contracts.store.keys import PREFIX, waiting_key
from contracts.store.redis_client import reads


class QueueStats:
    """Reads counts through one Redis client. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._reads = reads(client)

    def depth(self, model: str) -> tuple[int, float]:
        """Return how many jobs wait for a model, and for how many seconds the oldest has waited."""
        num_waiting, oldest = 0, None
        for suspect in (False, True):
            key = waiting_key(queue_of(model, suspect=suspect))
            num_waiting += self._reads.zcard(key)
            for _, queued_at in self._reads.zrange(key, 0, 0, withscores=True):
                oldest = min(queued_at, oldest or queued_at)
        # The scripts write the store's time, and the clock of this machine may differ from it.
        return num_waiting, max(0.0, store_time(self._client) - oldest) if oldest else 0.0

    def num_live(self) -> int:
        """Return how many jobs have not reached a terminal state."""
        return self._reads.zcard(f"{PREFIX}due")

    def num_broken(self) -> int:
        """Return how many records, and other keys, were set aside because they can't be used."""
        return self._reads.zcard(f"{PREFIX}broken")

    def num_finished(self) -> dict[tuple[str, str], int]:
        """Return how many jobs ended, by (model, status), since the store began."""
        counts = self._reads.hgetall(f"{PREFIX}finished")
        found = {}
        for key, count in counts.items():
            model, _, status = key.decode().rpartition("|")
            found[model, status] = int(count)
        return found
