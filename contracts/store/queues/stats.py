"""Counts of queued, unfinished and finished jobs: read by the gateway's metrics and by a worker's watchdog."""

from collections.abc import Iterable

import redis

from contracts.jobs import LANES, queue_of
from contracts.store.clock import store_time
from contracts.store.keys import PREFIX, flow_key, shares_key, tenants_key, waiting_key
from contracts.store.queues.shares import Shares
from contracts.store.records import replies_of
from contracts.store.redis_client import reads

_NUM_FLOWS = 3
"""At either end of a lane, in which `depth` looks for the oldest job."""


class QueueStats:
    """Reads counts through one Redis client. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._reads = reads(client)

    def depth(self, model: str) -> tuple[int, float]:
        """Return how many jobs wait for a model, and for how many seconds the oldest has waited.

        Of many tenants the oldest job is one of those who are next, or of those who were given most.
        """
        queue = queue_of(model)
        lists = [waiting_key(queue_of(model, suspect=suspect)) for suspect in (False, True)]
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hgetall(shares_key(queue))
        for key in lists:
            pipeline.zcard(key)
        ends = [(lane, end) for lane in LANES for end in ((0, _NUM_FLOWS - 1), (-_NUM_FLOWS, -1))]
        for lane, (first, last) in ends:
            pipeline.zrange(tenants_key(queue, lane), first, last)
        shares, num_suspects, num_old, *found = replies_of(pipeline, instead=None)
        # A lane without tenants is empty, whatever is counted: workers are restarted that leave jobs waiting.
        busy = {lane for (lane, _), tenants in zip(ends, found, strict=True) if tenants}
        num_in_lanes = sum(num for lane, num in Shares.of(shares or {}).num.items() if lane in busy)
        num_waiting = num_in_lanes + (num_suspects or 0) + (num_old or 0)
        flows = {
            flow_key(queue, lane, tenant.decode())
            for (lane, _), tenants in zip(ends, found, strict=True)
            for tenant in tenants or ()
        }
        return num_waiting, self._oldest_s([*lists, *flows]) if num_waiting else 0.0

    def _oldest_s(self, lists: Iterable[str]) -> float:
        pipeline = self._client.pipeline(transaction=False)
        for key in lists:
            pipeline.zrange(key, 0, 0, withscores=True)
        queued_at = [at for found in replies_of(pipeline, instead=[]) for _, at in found]
        # The scripts write the store's time, and the clock of this machine may differ from it.
        return max(0.0, store_time(self._client) - min(queued_at)) if queued_at else 0.0

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
