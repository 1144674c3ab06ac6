"""Fills a store with jobs that wait: submits as gateways make them."""

import time
from typing import Any

import msgspec
import redis

from contracts.job_ids import new_job_id
from contracts.jobs import LANES, NewJob
from contracts.store.job_writer import MAX_SUBMITS, JobWriter, Submit
from contracts.store.queues.admission import Admission

TENANT, MODEL = "crowd", "crowded"
NUM_TENANTS = 1000
PRICES_S = (0.01, 0.2, 0.013, 3.0, 0.05, 0.5, 0.02)
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


def fill(client: "redis.Redis", num_jobs: int) -> None:
    """Submit jobs that wait for one model: half of them of one tenant, the others of many, in all lanes."""
    writer = JobWriter(client)
    for start in range(0, num_jobs, MAX_SUBMITS):
        for reply in writer.submit_all(
            [_submit(number) for number in range(start, min(num_jobs, start + MAX_SUBMITS))]
        ):
            reply.accepted()


def _submit(number: int) -> Submit:
    tenant = TENANT if number % 2 else f"tenant-{number % (2 * NUM_TENANTS)}"
    lane, price_s = LANES[number % 3], PRICES_S[number % len(PRICES_S)]
    return Submit(new_job(tenant=tenant, lane=lane, price_s=price_s), _NO_LIMITS)


def submit(client: "redis.Redis", num_jobs: int, **changes: Any) -> list[str]:
    """Submit jobs one by one; return their ids."""
    writer = JobWriter(client)
    return [writer.submit(new_job(price_s=0.1, **changes), _WITH_RATES).job_id for _ in range(num_jobs)]


def submit_together(client: "redis.Redis", **changes: Any) -> None:
    """Submit as many jobs as one call takes, of as many tenants, in all lanes."""
    jobs = [
        new_job(tenant=f"tenant-{number}", lane=LANES[number % 3], price_s=0.1, **changes)
        for number in range(MAX_SUBMITS)
    ]
    for reply in JobWriter(client).submit_all([Submit(job, _WITH_RATES) for job in jobs]):
        reply.accepted()
