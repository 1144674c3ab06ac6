"""Jobs as a gateway submits them, faults, and ways to let time pass at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from contracts.job_ids import age_of, new_job_id
from contracts.jobs import Answer, Claim, NewJob, newcomers_of, queue_of
from contracts.store.keys import PREFIX, flow_key
from contracts.store.queues.admission import Admission
from tests.support.job_store import JobStore

T = TypeVar("T")
MODEL = "minilm"
TENANT = "acme"
QUEUE = queue_of(MODEL)
SUSPECTS = queue_of(MODEL, suspect=True)
NO_LIMITS = Admission()
ANSWER = Answer(output=b"[[0.5]]", usage=b'{"items":1}', timings=b"{}", model_revision="r1")


def new_job(**changes: Any) -> NewJob:
    """Return a validated request; ``changes`` replace its fields."""
    fields: dict[str, Any] = {
        "id": _new_id(),
        "tenant": TENANT,
        "task": "embed",
        "model": MODEL,
        "request": b'{"inputs":"hello"}',
        "metadata": b'{"note":"\\u00e9"}',
        "num_inputs": 1,
        "deadline_s": 900.0,
        "timeout_s": 300.0,
        "ttl_s": 3600.0,
    }
    return NewJob(**(fields | changes))


def _new_id() -> str:
    """Return an id that never passes for one of the other tenant, as one in 4,096 does."""
    job_id = new_job_id(TENANT, at=time.time())
    return job_id if age_of(job_id, "other", time.time()) is None else _new_id()


def submit(store: JobStore, **changes: Any) -> str:
    """Submit a job and return its id."""
    return store.submit(new_job(**changes), NO_LIMITS).job_id


def claimed(store: JobStore, worker: str = "w1", **changes: Any) -> Claim:
    """Submit a job and claim it."""
    return claim(store, submit(store, **changes), worker)


def claim(store: JobStore, job_id: str, worker: str = "w1") -> Claim:
    """Claim a job, which must be queued."""
    claim = store.claim(job_id, worker)
    assert claim is not None
    return claim


def status(store: JobStore, job_id: str, tenant: str = TENANT) -> str:
    """Return a job's state."""
    return store.read(job_id, tenant).status


def num_messages(store: JobStore, queue: str = QUEUE) -> int:
    """Return how many messages there are for workers that have room for any job of a queue."""
    return store.client.llen(queue) + store.client.llen(newcomers_of(queue))


def take_message(store: JobStore, queue: str = QUEUE) -> bool:
    """Take the messages off a queue as a worker does; return whether there were any."""
    taken = [store.client.rpop(name) for name in (queue, newcomers_of(queue))]
    return any(taken)


def waiting(store: JobStore, queue: str = QUEUE) -> list[str]:
    """Return the jobs that wait in a queue, the oldest first."""
    found = [
        (queued_at, member.decode())
        for key in store.client.scan_iter(f"{PREFIX}waiting:{queue}*")
        if key.decode().removeprefix(f"{PREFIX}waiting:").split(":")[0] == queue
        for member, queued_at in store.client.zrange(key, 0, -1, withscores=True)
    ]
    return [job_id for _, job_id in sorted(found)]


def come_due(store: JobStore, *job_ids: str) -> None:
    """Make jobs due now: their leases are over."""
    store.client.zadd(f"{PREFIX}due", dict.fromkeys(job_ids, 0), xx=True)


def pass_deadline(store: JobStore, *job_ids: str) -> None:
    """Let the deadlines of these jobs pass."""
    for job_id in job_ids:
        store.client.hset(f"{PREFIX}job:{job_id}", "deadline_at", "1")
    come_due(store, *job_ids)


def age(store: JobStore, job_id: str, seconds: float) -> None:
    """Let a job have been queued earlier."""
    job = store.read(job_id, TENANT)
    store.client.zincrby(flow_key(QUEUE, job.lane, TENANT), -seconds, job_id)


def field(store: JobStore, job_id: str, name: str) -> str | None:
    """Return one field of a record as it is stored."""
    value = store.client.hget(f"{PREFIX}job:{job_id}", name)
    return None if value is None else value.decode()


def active(store: JobStore) -> dict[str, int]:
    """Return how many unfinished jobs each tenant has."""
    return {tenant.decode(): int(count) for tenant, count in store.client.hgetall(f"{PREFIX}active").items()}


def all_at_once(num_threads: int, call: Callable[[int], T]) -> list[T]:
    """Call from many threads that start at the same time; return the result of each."""
    barrier = Barrier(num_threads)

    def run(index: int) -> T:
        barrier.wait()
        return call(index)

    with ThreadPoolExecutor(num_threads) as pool:
        return list(pool.map(run, range(num_threads)))


def snapshot(store: JobStore) -> dict[bytes, bytes]:
    """Return all that is stored, but the last use of a script."""
    return {key: store.client.dump(key) for key in store.client.scan_iter()}
