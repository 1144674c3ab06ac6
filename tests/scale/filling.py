"""Fills a store with jobs that wait: submits as gateways make them, many in one round trip."""

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
import redis

from contracts.job_ids import new_job_id
from contracts.jobs import LANES, NewJob
from contracts.store.job_writer import JobWriter
from contracts.store.queues.admission import Admission

TENANT, MODEL = "crowd", "crowded"
NUM_TENANTS = 1000
PRICES_S = (0.01, 0.2, 0.013, 3.0, 0.05, 0.5, 0.02)
_AT_ONCE = 500
_NO_LIMITS = Admission(max_waiting=10_000_000, max_active=10_000_000)
_WITH_RATES = msgspec.structs.replace(_NO_LIMITS, lane_rate=1e6, capacity=1e6, capacity_of_one=1e3)


def new_job(**changes: Any) -> NewJob:
    """Return a job with a text of usual length; ``changes`` replace its fields."""
    fields: dict[str, Any] = {
        "id": new_job_id(TENANT, time.time()),
        "tenant": TENANT,
        "task": "embed",
        "model": MODEL,
        "request": b'{"inputs":"' + b"a text of some length " * 6 + b'"}',
        "metadata": b"{}",
        "num_inputs": 1,
        "deadline_s": 86_400.0,
        "timeout_s": 300.0,
        "ttl_s": 3600.0,
        "request_id": "0123456789abcdef",
    }
    return NewJob(**(fields | changes))


class _Pipelined:
    """A client whose scripts run later, many at once. Each call gets the reply of a submit that was accepted."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self.pipeline = client.pipeline(transaction=False)

    def register_script(self, text: str) -> Callable[[Sequence[Any]], Any]:
        """Return what JobWriter takes for a script."""
        sha = self._client.script_load(text)

        def call(args: Sequence[Any]) -> Any:
            self.pipeline.evalsha(sha, 0, *args)
            return [[[], []], [b"created", args[0].encode(), b""]]

        return call


def fill(client: "redis.Redis", num_jobs: int) -> None:
    """Submit jobs that wait for one model: half of them of one tenant, the others of many, in all lanes."""
    pipelined = _Pipelined(client)
    writer = JobWriter(cast("redis.Redis", pipelined))
    for number in range(num_jobs):
        tenant = TENANT if number % 2 else f"tenant-{number % (2 * NUM_TENANTS)}"
        lane, price_s = LANES[number % 3], PRICES_S[number % len(PRICES_S)]
        writer.submit(new_job(tenant=tenant, lane=lane, price_s=price_s), _NO_LIMITS)
        if number % _AT_ONCE == _AT_ONCE - 1 or number == num_jobs - 1:
            for _, (outcome, *_rest) in pipelined.pipeline.execute():
                assert outcome == b"created"


def submit(client: "redis.Redis", num_jobs: int, **changes: Any) -> list[str]:
    """Submit jobs one by one; return their ids."""
    writer = JobWriter(client)
    return [writer.submit(new_job(price_s=0.1, **changes), _WITH_RATES).job_id for _ in range(num_jobs)]
