"""A store that is nearly full forgets what clients have, the oldest first, and nothing else before its time."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from contracts.errors import JobGone
from contracts.store.attempt_store import MAX_JOBS
from contracts.store.attempts.outcomes import succeeded
from contracts.store.job_writer import MAX_DELIVERED
from contracts.store.keys import PREFIX
from contracts.store.reaper import MAX_MEMORY_SHARE
from contracts.store.redis_client import connect
from tests.redis.builders import ANSWER, QUEUE, TENANT, status, submit
from tests.support.job_store import JobStore
from tests.support.valkey import running_valkey
from tests.support.waiting import wait_until

MAX_BYTES = 12 * 2**20
KEEP_S = 300.0


@pytest.fixture
def client(tmp_path: Path) -> Iterator[redis.Redis]:
    """A client of a small store of its own."""
    with running_valkey(tmp_path / "valkey", "--maxmemory", str(MAX_BYTES)) as server:
        connected = connect(server.url, timeout_s=10.0, retries=0)
        yield connected
        connected.close()
        connected.connection_pool.disconnect()


def used_share(store: JobStore) -> float:
    """Return the share of the store's memory that is in use."""
    return float(store.client.info("memory")["used_memory"] / MAX_BYTES)


def answered(store: JobStore, num_jobs: int, **changes: object) -> list[str]:
    """Submit jobs and let them succeed, each with an answer of 2 KB; return their ids, oldest first."""
    output = msgspec.json.encode([random.random() for _ in range(200)])
    answer = msgspec.structs.replace(ANSWER, output=output)
    found = []
    while len(found) < num_jobs:
        for _ in range(min(MAX_JOBS, num_jobs - len(found))):
            submit(store, **changes)
        claims = store.turn("w1", sources=[QUEUE]).claims
        store.turn("w1", [succeeded(claim, answer) for claim in claims])
        found += [claim.id for claim in claims]
    return found


def fill(store: JobStore, num_delivered: int) -> tuple[list[str], list[str]]:
    """Fill the store to more than it may have; return the jobs that are delivered and those that are not."""
    store.reap()  # the store keeps its scripts, too
    delivered, kept = answered(store, num_delivered), []
    store.mark_delivered(delivered, KEEP_S)
    while used_share(store) < MAX_MEMORY_SHARE:
        kept += answered(store, 100)
    return delivered, kept


def test_the_oldest_delivered_answers_make_room(store: JobStore) -> None:
    delivered, kept = fill(store, 2000)
    store.reap()
    # Buffers of connections count, too, and come and go.
    wait_until(lambda: used_share(store) <= MAX_MEMORY_SHARE + 0.01, "too much is kept")
    left = {member.decode() for member in store.client.zrange(f"{PREFIX}delivered", 0, -1)}
    assert 0 < len(left) < len(delivered)
    # Those of one call were delivered at the same time.
    assert left <= set(delivered[-len(left) - MAX_DELIVERED :])
    gone = next(job_id for job_id in delivered if job_id not in left)
    with pytest.raises(JobGone):
        store.read(gone, TENANT)
    assert {status(store, job_id) for job_id in [*left, *kept]} == {"succeeded"}


def test_what_was_not_delivered_or_has_a_time_of_its_own_stays(store: JobStore) -> None:
    with_ttl = answered(store, 200, keep=True)
    store.mark_delivered(with_ttl, KEEP_S)
    delivered, kept = fill(store, 20)
    store.reap()
    assert used_share(store) > MAX_MEMORY_SHARE, "there was nothing more to forget"
    assert not any(store.client.exists(f"{PREFIX}job:{job_id}") for job_id in delivered)
    assert {status(store, job_id) for job_id in [*with_ttl, *kept]} == {"succeeded"}


def test_the_memory_of_a_small_store_is_level_under_load(store: JobStore) -> None:
    """Twice as many answers as the store can hold. Nobody reads two of a hundred."""
    unread: list[str] = []
    shares: list[float] = []
    for _ in range(70):
        *found, late, later = answered(store, 100)
        store.mark_delivered(found, KEEP_S)
        unread += [late, later]
        store.reap()
        shares.append(used_share(store))
    assert max(shares) < MAX_MEMORY_SHARE + 0.1, "so full that submits would be refused"
    half, last = shares[35:42], shares[63:]
    assert sum(last) <= 1.05 * sum(half)
    assert store.client.zcard(f"{PREFIX}delivered") < 0.7 * 70 * 98, "the load was too small to fill the store"
    assert {status(store, job_id) for job_id in unread} == {"succeeded"}
