"""Counts are right again whenever something gets empty, whatever was wrong with them; and no job is stuck meanwhile."""

from collections.abc import Callable

import pytest

from contracts.errors import QueueFull
from contracts.jobs import LANES
from contracts.store.keys import PREFIX, flow_key, flows_key, job_key, running_key, shares_key, tags_key, tenants_key
from contracts.store.queues.admission import Admission
from contracts.store.queues.places import RunningWork, stored
from tests.redis.builders import (
    ANSWER,
    NO_LIMITS,
    QUEUE,
    TENANT,
    claimed,
    come_due,
    new_job,
    status,
    submit,
    waiting,
)
from tests.redis.shares.taking import end, flood, take
from tests.support.job_store import JobStore

WRONG = {"num:default": 50, "work:default": 7.5, "weights:default": 3, "running": 100.0}


def figures(store: JobStore) -> dict[str, float]:
    return {name.decode(): float(value) for name, value in store.client.hgetall(shares_key(QUEUE)).items()}


RATES = Admission(max_waiting=100, lane_rate=1.0, capacity=1.0, capacity_of_one=1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num:default": "1000000"},
        {"num:bulk": "1000000"},
        *({name: "1e9"} for name in ("work:default", "work:bulk", "weights:default", "running")),
        {"running:default": "1e9", "running": "1e9", "running_weights:default": "1e9", "num_running": "1e9"},
    ],
    ids=str,
)
def test_counts_of_an_idle_queue_refuse_nobody(store: JobStore, wrong: dict[str, str]) -> None:
    store.client.hset(shares_key(QUEUE), mapping=wrong)
    store.submit(new_job(price_s=1.0), RATES)
    place = store.submit(new_job(price_s=1.0, tenant="other"), RATES).place
    assert place is not None
    end(store, take(store, 2))
    assert left(store) == set()


def test_what_runs_is_counted_right_once_nothing_does_though_others_wait(store: JobStore) -> None:
    store.client.hset(shares_key(QUEUE), mapping={"num_running": "1e9"})
    flood(store, 3, "a", 1.0)
    store.reap()
    assert figures(store)["num_running"] == 0
    assert figures(store)["num:default"] == 3


def test_counts_that_are_right_refuse_as_before(store: JobStore) -> None:
    flood(store, 4, "a", 200.0)
    for admission in (Admission(max_waiting=4), RATES):
        with pytest.raises(QueueFull):
            store.submit(new_job(price_s=200.0, tenant="a"), admission)


def left(store: JobStore) -> set[str]:
    """Return the keys of the queue's lists and counts."""
    found = (key.decode().removeprefix(PREFIX) for key in store.client.scan_iter(f"{PREFIX}*{QUEUE}*"))
    return {key.split(":")[0] for key in found}


def test_counts_of_a_lane_are_right_once_it_is_empty(store: JobStore) -> None:
    flood(store, 3, "a", 1.0)
    flood(store, 3, "b", 1.0, lane="bulk")
    store.client.hset(shares_key(QUEUE), mapping=WRONG)
    while take(store, 1)[0].lane == "bulk" or waiting(store):
        found = figures(store)
        if not store.client.exists(tenants_key(QUEUE, "default")):
            assert [found.get(f"{name}:default", 0) for name in ("num", "work", "weights")] == [0, 0, 0]
            return
    raise AssertionError("the lane never got empty")


def test_a_lane_in_which_nothing_waits_has_no_depth_whatever_is_counted(store: JobStore) -> None:
    """A worker is restarted if it leaves jobs waiting."""
    store.client.hset(shares_key(QUEUE), mapping=WRONG)
    assert store.depth("minilm")[0] == 0


def test_once_nothing_waits_and_nothing_runs_nothing_is_left(store: JobStore) -> None:
    flood(store, 3, "a", 1.0)
    store.client.hset(shares_key(QUEUE), mapping=WRONG)
    end(store, take(store, 3))
    assert left(store) == set()


@pytest.mark.parametrize("text", ["", "nan nan nan nan nan", "1e999 1 1 -5 x", "1", "0.0 1 0.0 99 0.0"])
def test_a_flow_that_nobody_can_read_loses_its_counts_only(store: JobStore, text: str) -> None:
    ids = flood(store, 4, "a", 1.0)
    store.client.hset(flows_key(QUEUE, "default"), "a", text)
    ids += flood(store, 2, "a", 1.0)
    assert store.place(store.read(ids[-1], "a")) is not None
    claims = take(store, 10)
    assert [claim.id for claim in claims] == ids
    end(store, claims)
    assert left(store) == set()


@pytest.mark.parametrize("key", [flows_key(QUEUE, "default"), shares_key(QUEUE), tags_key(QUEUE, "default")])
def test_counts_that_are_lost_stop_no_job(store: JobStore, key: str) -> None:
    flood(store, 4, "a", 1.0)
    flood(store, 4, "b", 1.0)
    take(store, 2)
    store.client.delete(key)
    claims = take(store, 10)
    assert len(claims) == 6
    end(store, claims)
    assert waiting(store) == []


def test_a_tenant_that_is_missing_is_found_with_its_next_job(store: JobStore) -> None:
    ids = flood(store, 2, "a", 1.0)
    store.client.delete(tenants_key(QUEUE, "default"))
    ids += flood(store, 1, "a", 1.0)
    assert [claim.id for claim in take(store, 10)] == ids


def test_a_tenant_without_jobs_leaves_the_lane(store: JobStore) -> None:
    flood(store, 1, "a", 1.0)
    flood(store, 1, "b", 1.0)
    store.client.delete(flow_key(QUEUE, "default", "a"))
    assert [claim.tenant for claim in take(store, 2, at_once=2)] == ["b"]
    assert not store.client.exists(tenants_key(QUEUE, "default"), flows_key(QUEUE, "default"))


def test_a_record_that_is_gone_counts_no_more_once_its_flow_is_empty(store: JobStore) -> None:
    ids = flood(store, 3, "a", 1.0)
    store.client.delete(f"{PREFIX}job:{ids[0]}")
    end(store, take(store, 2, at_once=2))
    assert left(store) == set()


@pytest.mark.parametrize("wrong", [{"attempt": "x"}, {"status": "expired"}])
def test_work_that_waits_no_more_is_not_counted_though_its_flow_is_never_empty(
    store: JobStore, wrong: dict[str, str]
) -> None:
    """It is broken, or a process of the version before has ended it."""
    ids = flood(store, 4, "a", 100.0)
    store.client.hset(f"{PREFIX}job:{ids[0]}", mapping=wrong)
    assert [claim.id for claim in take(store, 1)] == [ids[1]]
    found = figures(store)
    assert (found["work:default"], found["num:default"]) == (200.0, 2)


def test_what_a_record_holds_may_be_no_number(store: JobStore) -> None:
    ids = flood(store, 3, "a", 1.0)
    store.client.hset(f"{PREFIX}job:{ids[0]}", "held", "abc")
    claims = take(store, 3, at_once=3)
    assert [claim.id for claim in claims] == ids
    end(store, claims)
    assert left(store) == set()


def test_a_broken_record_counts_no_more_as_one_that_runs(store: JobStore) -> None:
    taken = claimed(store, price_s=4.0)
    store.client.hset(f"{PREFIX}job:{taken.id}", "version", "no number")
    store.renew_leases([(taken.id, taken.attempt)])
    store.reap()
    submit(store, price_s=1.0)
    assert [figures(store).get(name, 0) for name in ("running", "num_running")] == [0, 0]


@pytest.mark.parametrize("field", ["lane", "weight", "price_s", "tenant"])
def test_whatever_is_wrong_with_a_record_it_does_not_run_for_ever(store: JobStore, field: str) -> None:
    good, bad = claimed(store, price_s=8.0), claimed(store, price_s=8.0)
    store.client.hset(f"{PREFIX}job:{bad.id}", field, "-\n")
    come_due(store, bad.id)
    store.reap()
    found = figures(store)
    assert (found["running"], found["num_running"]) == (8.0, 1)
    end(store, [good])
    assert left(store) == set()


@pytest.mark.parametrize("instead", [None, "what is this"])
def test_records_that_are_gone_run_no_more_once_nothing_else_does(store: JobStore, instead: str | None) -> None:
    gone = claimed(store, price_s=800.0)
    store.client.delete(f"{PREFIX}job:{gone.id}")
    if instead:
        store.client.set(f"{PREFIX}job:{gone.id}", instead)
    come_due(store, gone.id)
    store.reap()
    place = store.submit(new_job(price_s=1.0), NO_LIMITS).place
    assert place is not None and place.running_s == 0
    end(store, take(store, 1))
    assert left(store) == set()


GONE: dict[str, Callable[[JobStore, str], object]] = {
    "deleted by hand": lambda store, key: store.client.delete(key),
    "replaced by hand": lambda store, key: store.client.set(key, "what is this"),
    "broken by hand": lambda store, key: store.client.hset(key, "price_s", "what is this"),
    "ended by the version before": lambda store, key: store.client.hset(key, "status", "expired"),
}


@pytest.mark.parametrize("gone", GONE.values(), ids=GONE)
def test_jobs_that_are_gone_run_no_more_although_others_go_on(
    store: JobStore, gone: Callable[[JobStore, str], object]
) -> None:
    flood(store, 2, "a", 800.0, lane="bulk")
    flood(store, 2, "a", 8.0)
    flood(store, 1, "b", 8.0, weight=2.0)
    claims = take(store, 5)
    lost = [claim for claim in claims if claim.price_s == 800.0 or claim.tenant == "b"]
    for claim in lost:
        gone(store, job_key(claim.id))
    store.reap()
    found = figures(store)
    assert (found["num_running"], found["running"], found["running_weights:default"]) == (2, 16.0, 1.0)
    assert found["running:bulk"] == found["running_weights:bulk"] == 0
    running = store.client.hgetall(running_key(QUEUE))
    assert {name: stored(RunningWork, text) for name, text in running.items()} == {
        b"default a": RunningWork(2, 16.0, 1.0, 128.0)
    }
    end(store, [claim for claim in claims if claim not in lost])
    assert left(store) == set() and not store.client.exists(f"{PREFIX}running_jobs")


def test_jobs_that_run_are_left_alone(store: JobStore) -> None:
    flood(store, 20, "a", 1.0)
    claims = take(store, 20, at_once=10)
    come_due(store, *(claim.id for claim in claims[:5]))
    for _ in range(3):
        store.reap()  # which also takes five of them from their worker
    found = figures(store)
    assert (found["num_running"], found["running"]) == (15, 15.0)
    store.renew_leases([(claim.id, claim.attempt) for claim in claims])  # it keeps them
    store.reap()
    found = figures(store)
    assert (found["num_running"], found["running"]) == (20, 20.0)


def test_flows_wait_again_once_somebody_submits_though_their_lane_was_none(store: JobStore) -> None:
    ids = [*flood(store, 2, "a", 1.0), *flood(store, 2, "b", 1.0)]
    store.client.set(tenants_key(QUEUE, "default"), "what is this")
    assert take(store, 1) == []
    ids += flood(store, 1, "c", 1.0)
    assert {claim.id for claim in take(store, 10)} == set(ids)


@pytest.mark.parametrize("field", ["lane", "weight", "price_s"])
def test_a_record_with_a_wrong_share_is_set_aside(store: JobStore, field: str) -> None:
    broken, good = submit(store, price_s=1.0), submit(store, price_s=1.0)
    store.client.hset(f"{PREFIX}job:{broken}", field, "-1")
    claims = take(store, 2)
    assert [claim.id for claim in claims] == [good]
    assert store.num_broken() == 1
    end(store, claims)
    assert waiting(store) == []


def test_jobs_of_the_version_before_are_served_first_and_cost_nothing(store: JobStore) -> None:
    old = []
    for _ in range(3):
        job_id = submit(store)
        at = store.client.zscore(flow_key(QUEUE, "default", TENANT), job_id)
        store.client.zadd(f"{PREFIX}waiting:{QUEUE}", {job_id: at})
        store.client.hdel(f"{PREFIX}job:{job_id}", "price_s", "mark_s")
        old.append(job_id)
    kinds = [flow_key(QUEUE, "default", TENANT), shares_key(QUEUE)]
    store.client.delete(*kinds, *(key(QUEUE, lane) for lane in LANES for key in (tenants_key, flows_key, tags_key)))
    new = [submit(store, price_s=1.0), submit(store, tenant="other", price_s=1.0)]
    assert store.depth("minilm")[0] == 5
    assert [store.place(store.read(job_id, TENANT)).position for job_id in old] == [0, 1, 2]  # type: ignore[union-attr]
    claims = take(store, 1)
    store.release(claims)
    assert waiting(store)[-1] == old[0], "it is among its kind still"
    claims = take(store, 5, at_once=5)
    assert {claim.id for claim in claims[:3]} == set(old) and [claim.id for claim in claims[3:]] == new
    assert store.succeed(claims[0], ANSWER) and status(store, claims[0].id) == "succeeded"
    assert figures(store)["num_running"] == 2
