"""Every script of the job store, each with as many jobs as one call takes, and with the dearest kind of jobs."""

from itertools import count
from typing import Any

import redis

from contracts.jobs import LANES, Answer, Claim, queue_of
from contracts.settings import StoreSettings
from contracts.store.attempt_store import MAX_JOBS
from contracts.store.attempts.outcomes import succeeded
from contracts.store.job_writer import MAX_DELIVERED, MAX_SUBMITS
from contracts.store.keys import PREFIX
from contracts.store.reaper import MAX_JOBS_PER_CALL
from tests.redis.builders import field
from tests.scale.filling import MODEL, TENANT, submit, submit_together
from tests.scale.meter import Meter
from tests.support.job_store import JobStore
from workers.runtime.process.shared_state import HeldAttempt

ANSWER = Answer(output=b"[" + b"0.0123456," * 384 + b"0]", usage=b'{"items":1}', timings=b"{}", model_revision="r1")
CHANNELS = " ".join(f"{PREFIX}wake:gateway-{number}" for number in range(8))
_DEAR = "dear"
_numbers = count()


def measure_all(client: "redis.Redis", meter: Meter, rounds: int) -> None:
    """Measure each call as it is with jobs of the crowd, and with jobs that have all that a job can have."""
    store = JobStore(client, StoreSettings())
    for _ in range(rounds):
        _submits(store, meter)
        for name, queue in (("", queue_of(MODEL)), (", all features", queue_of(_DEAR))):
            _lives(store, meter, name, queue)
        _ends(store, meter)
        _deaths(store, meter)
        _listings(store, meter)


def _dear_jobs(store: JobStore, num_jobs: int, **changes: Any) -> list[str]:
    """Submit jobs with a stream, a key and many gateways that wait, each of another tenant."""
    found = []
    for _ in range(num_jobs):
        number = next(_numbers)
        key = {"idempotency_key": f"key-{number}", "fingerprint": "f"}
        features = {"followed": True, "wake": CHANNELS, "lane": LANES[number % 3], **key, **changes}
        found += submit(store.client, 1, model=_DEAR, tenant=f"tenant-{number}", **features)
    return found


def _submits(store: JobStore, meter: Meter) -> None:
    with meter.measure("submit"):
        submit(store.client, 5)
    with meter.measure("submit of other tenants"):
        for number in range(5):
            submit(store.client, 1, tenant=f"tenant-{number}", lane=LANES[number % 3])
    with meter.measure(f"submit {MAX_SUBMITS}"):
        submit_together(store.client)
    with meter.measure("submit, all features"):
        _dear_jobs(store, 5)
    _dear_jobs(store, 3 * MAX_JOBS)


def _lives(store: JobStore, meter: Meter, name: str, queue: str) -> None:
    with meter.measure(f"claim {MAX_JOBS}{name}"):
        claims = store.turn("w1", sources=[queue]).claims
    with meter.measure(f"renew{name}"):
        store.renew_leases([(claim.id, claim.attempt) for claim in claims])
    with meter.measure(f"progress{name}"):
        store.progress([(claim, 1, 2) for claim in claims])
    with meter.measure(f"publish{name}"):
        store.publish([(claim, b'[{"text":"a"}]') for claim in claims], f"call-{next(_numbers)}")
    with meter.measure(f"finish and claim {MAX_JOBS}{name}"):
        claims = store.turn("w1", [succeeded(claim, ANSWER) for claim in claims], sources=[queue]).claims
    with meter.measure(f"release{name}"):
        store.release(claims)
    claims = store.turn("w1", sources=[queue]).claims
    with meter.measure(f"finish {MAX_JOBS}{name}"):
        store.turn("w1", [succeeded(claim, ANSWER) for claim in claims])


def _ended(store: JobStore, num_jobs: int) -> list[str]:
    claims: list[Claim] = []
    while len(claims) < num_jobs:
        claims += store.turn("w1", sources=[queue_of(MODEL)]).claims
        store.turn("w1", [succeeded(claim, ANSWER) for claim in claims[-MAX_JOBS:]])
    return [claim.id for claim in claims[:num_jobs]]


def _ends(store: JobStore, meter: Meter) -> None:
    ended = _ended(store, 2 * MAX_DELIVERED)
    with meter.measure("delivered"):
        store.mark_delivered(ended, 300.0)
    used = store.client.info("memory")["used_memory"]
    store.client.config_set("maxmemory", used)
    with meter.measure("evict and reap nothing"):
        store.reap()
    store.client.config_set("maxmemory", 0)
    _dear_jobs(store, MAX_JOBS_PER_CALL, deadline_s=0.001)
    with meter.measure("expire, all features"):
        store.reap()
    (dear,), (plain,) = _dear_jobs(store, 1), submit(store.client, 1)
    tenant = str(field(store, dear, "tenant"))
    with meter.measure("follow"):
        store.follow(plain, f"{PREFIX}wake:other", events=True)
    with meter.measure("cancel"):
        store.cancel(dear, tenant)
        store.cancel(plain, TENANT)
        (running,) = store.turn("w1", sources=[queue_of(MODEL)], max_jobs=1).claims
        store.cancel(running.id, running.tenant)
    with meter.measure("delete"):
        store.delete(dear, tenant)
        store.delete(plain, TENANT)


def _deaths(store: JobStore, meter: Meter) -> None:
    for queue in (queue_of(MODEL), queue_of(_DEAR)):
        _dear_jobs(store, 2 * MAX_JOBS)
        claims = [claim for _ in range(2) for claim in store.turn("w2", sources=[queue]).claims]
        with meter.measure("abandon"):
            store.abandon([HeldAttempt(claim.id, claim.attempt, True, False, False) for claim in claims])
        suspects = store.turn("w3", sources=[f"{queue}.suspect"]).claims
        store.client.zadd(f"{PREFIX}due", {claim.id: 0 for claim in suspects})
        with meter.measure("reap dead workers"):
            store.reap()


def _listings(store: JobStore, meter: Meter) -> None:
    with meter.measure("wake_queues of 300"):
        store.wake_queues([f"triptych.model-{number}" for number in range(300)])
    with meter.measure_plain("pages of a list"):
        after = None
        for _ in range(3):
            _, after = store.page(TENANT, status=None, task=None, after=after, limit=100)
    with meter.measure_plain("a page for which few jobs fit"):
        store.page(TENANT, status="failed", task="embed", after=None, limit=100)
    with meter.measure_plain("counts, and a job's place"):
        store.depth(MODEL)
        store.num_live()
        store.num_finished()
        store.place(store.read(submit(store.client, 1)[0], TENANT))
