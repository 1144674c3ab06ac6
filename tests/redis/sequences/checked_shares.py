"""What the store keeps of lanes and flows, compared with the jobs of the model: exact, and nothing is left over."""

from typing import Any

import pytest
import redis

from contracts.jobs import LANES
from contracts.store.keys import flow_key, flows_key, shares_key, tags_key, tenants_key
from contracts.store.queues.places import WaitingWork
from contracts.store.queues.places import stored as read
from tests.redis.builders import QUEUE
from tests.redis.sequences.expected_store import ExpectedJob, ExpectedStore

WEIGHTS = {"acme": 2.0, "other": 1.0}


def check_shares(client: redis.Redis, expected: ExpectedStore) -> None:
    """Check lists, counts and sums of all flows, lanes, and the queue."""
    figures = {name.decode(): float(value) for name, value in client.hgetall(shares_key(QUEUE)).items()}
    running = [job for job in expected.jobs.values() if job.status in {"running", "cancelling"} and not job.gone]
    is_idle = not running and not any(job.status == "queued" for job in expected.jobs.values() if not job.group)
    if is_idle:
        assert not figures, figures
        assert not client.exists(*(tags_key(QUEUE, lane) for lane in LANES))
    else:
        found = (figures.get("num_running", 0), figures.get("running", 0))
        assert found == pytest.approx((len(running), sum(job.price_s for job in running)), abs=1e-6)
    for lane in LANES:
        _check_lane(client, lane, expected.flows(lane), figures)


def _check_lane(client: redis.Redis, lane: str, flows: dict[str, list[ExpectedJob]], figures: dict[str, float]) -> None:
    found: dict[str, list[str]] = {}
    for key in client.scan_iter(flow_key(QUEUE, lane, "*")):
        found[key.decode().rpartition(":")[2]] = [member.decode() for member in client.zrange(key, 0, -1)]
    assert found == {tenant: [job.id for job in jobs] for tenant, jobs in flows.items()}
    assert {member.decode() for member in client.zrange(tenants_key(QUEUE, lane), 0, -1)} == flows.keys()
    stored: dict[bytes, Any] = client.hgetall(flows_key(QUEUE, lane))
    assert {tenant.decode() for tenant in stored} == flows.keys()
    for tenant, jobs in flows.items():
        flow = read(WaitingWork, stored[tenant.encode()])
        assert (flow.num, flow.weight) == (len(jobs), WEIGHTS[tenant])
        assert flow.backlog == pytest.approx(sum(job.price_s for job in jobs), abs=1e-6)
        assert flow.entered >= 0
    waiting = [job for jobs in flows.values() for job in jobs]
    sums = (len(waiting), sum(job.price_s for job in waiting), sum(WEIGHTS[tenant] for tenant in flows))
    assert [figures.get(f"{name}:{lane}", 0.0) for name in ("num", "work", "weights")] == pytest.approx(sums, abs=1e-6)
