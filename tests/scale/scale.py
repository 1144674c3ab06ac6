"""One run: fill a store, make every call, let all jobs expire, and forget them."""

import math
import time

import redis

from contracts.store.keys import PREFIX
from contracts.store.queues.stats import QueueStats
from tests.scale.calls import measure_all
from tests.scale.draining import Drain, drain
from tests.scale.filling import MODEL, fill
from tests.scale.meter import HEAD, MAX_COMMANDS, Meter
from tests.support.store_time import let_pass


class Scale:
    """Measures a store with ``num_jobs`` waiting jobs."""

    def __init__(self, client: "redis.Redis", url: str, num_jobs: int) -> None:
        self._client, self._url, self._num_jobs = client, url, num_jobs
        self._meter = Meter(client)
        self.expired: Drain | None = None
        self.forgotten: Drain | None = None
        self.num_records = 0
        self._notes: list[str] = []

    def run(self, rounds: int, num_metered: int) -> None:
        """Measure all calls ``rounds`` times, and each drain by its first calls."""
        began = time.monotonic()
        fill(self._client, self._num_jobs)
        num_waiting, _ = QueueStats(self._client).depth(MODEL)
        used_mb = self._client.info("memory")["used_memory"] / 1e6
        self._notes.append(f"{num_waiting} jobs wait after {time.monotonic() - began:.0f} s, {used_mb:.0f} MB")
        measure_all(self._client, self._meter, rounds)
        let_pass(self._client, 2 * 86_400)  # all deadlines
        self.expired = drain(self._client, self._url, "due", self._meter, num_metered)
        let_pass(self._client, 2 * 86_400)  # and the time for which results are kept
        self.forgotten = drain(self._client, self._url, "expiring", self._meter, num_metered)
        self.num_records = self._count("job:*")
        num_others = self._client.dbsize() - self.num_records - self._count("idem:*")
        self._notes.append(
            f"at the end: {self.num_records} records, and {num_others} keys besides those of idempotency"
        )

    def _count(self, pattern: str) -> int:
        return sum(1 for _ in self._client.scan_iter(f"{PREFIX}{pattern}", count=10_000))

    def faults(self, max_cpu_ms: float, max_wall_ms: float = math.inf) -> list[str]:
        """Return what costs more than it may: in commands, in CPU time of any call, and in the median of wall times."""
        found = []
        for cost in self._meter.costs():
            if cost.max_commands > MAX_COMMANDS or cost.longest_cpu_ms > max_cpu_ms or cost.wall_ms > max_wall_ms:
                found.append(str(cost))
        return found

    def report(self) -> str:
        """Return all figures as text."""
        lines = [*self._notes, HEAD, *map(str, self._meter.costs())]
        return "\n".join([*lines, f"expired: {self.expired}", f"forgotten: {self.forgotten}"])
