"""What tenants hold, and their unfinished jobs, are counted right again whatever was wrong with the counts."""

import pytest

from contracts.store.keys import PREFIX, job_key
from tests.redis.builders import come_due
from tests.redis.shares.taking import end, flood, take
from tests.support.job_store import JobStore


def counts(store: JobStore) -> dict[str, list[bytes | None]]:
    """Return of each tenant the bytes that it holds, and its unfinished jobs."""
    names = ("held", "active")
    return {tenant: [store.client.hget(f"{PREFIX}{name}", tenant) for name in names] for tenant in ("a", "b")}


@pytest.mark.parametrize("text", ["abc", "nan nan", "nan", "inf", "-inf", "1e300", "-5", ""])
@pytest.mark.parametrize("name", ["held", "active"])
def test_a_count_of_a_tenant_that_is_none_refuses_it_no_job_for_long(store: JobStore, name: str, text: str) -> None:
    flood(store, 2, "a", 1.0)
    flood(store, 1, "b", 1.0)
    right = counts(store)
    store.client.hset(f"{PREFIX}{name}", "a", text)
    if text == "1e300":
        heal_all(store)
    claims = [*take(store, 3), *(claim for _ in flood(store, 1, "a", 1.0) for claim in take(store, 1))]
    assert len(claims) == 4
    heal_all(store)
    assert counts(store)["a"][1] == b"3" and counts(store)["b"] == right["b"]
    end(store, claims)
    assert set(store.client.hkeys(f"{PREFIX}active")) == set()


def test_a_count_of_a_tenant_that_has_nothing_goes(store: JobStore) -> None:
    store.client.hset(f"{PREFIX}active", "nobody", 10**9)
    heal_all(store)
    assert not store.client.exists(f"{PREFIX}active")


@pytest.mark.parametrize("name", ["held", "active"])
def test_counts_of_tenants_that_are_none_are_made_anew(store: JobStore, name: str) -> None:
    flood(store, 2, "a", 1.0)
    (claim,) = take(store, 1)
    right = counts(store)
    store.client.set(f"{PREFIX}{name}", "what is this")
    store.reap()
    flood(store, 1, "b", 1.0)
    end(store, [claim])
    flood(store, 1, "a", 1.0)
    heal_all(store)
    assert counts(store)["a"][1] == right["a"][1] and counts(store)["b"][1] == b"1"


@pytest.mark.parametrize("wrong", [-2, 2])
def test_counts_of_a_tenant_heal_though_it_always_has_jobs(store: JobStore, wrong: int) -> None:
    flood(store, 5, "b", 1.0)
    end(store, take(store, 2))
    broken, deleted, *_ = flood(store, 6, "a", 1.0)
    store.client.hset(job_key(broken), "status", "what is this")
    come_due(store, broken)
    store.reap()  # which sets it aside
    right = counts(store)
    for name in ("held", "active"):
        store.client.hincrby(f"{PREFIX}{name}", "a", wrong)
    heal_all(store)
    assert counts(store) == right
    num_bytes = int(store.client.hget(job_key(deleted), "held") or 0)
    store.client.delete(job_key(deleted))
    heal_all(store)
    held, active = (int(value or 0) for value in right["a"])
    assert counts(store) == right | {"a": [b"%d" % (held - num_bytes), b"%d" % (active - 1)]}


def test_a_broken_record_that_is_met_first_where_counts_are_compared_counts_once(store: JobStore) -> None:
    ids = flood(store, 3, "a", 1.0)
    store.client.hset(job_key(ids[0]), "status", "what is this")
    store.reap()
    sizes = [int(store.client.hget(job_key(job_id), "held") or 0) for job_id in ids[1:]]
    assert counts(store)["a"] == [b"%d" % sum(sizes), b"2"]


def heal_all(store: JobStore) -> None:
    """Let the reaper come to either of two tenants."""
    for _ in range(30):
        store.reap()
