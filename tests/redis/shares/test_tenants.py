"""Tenants share a lane by work, each by its weight, and settle by what their jobs took in the end."""

from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.jobs import queue_of
from contracts.store.keys import shares_key, tags_key, tenants_key
from tests.redis.builders import QUEUE, TENANT, submit
from tests.redis.shares.taking import end, flood, take, work_of
from tests.support.job_store import JobStore


@pytest.mark.parametrize("at_once", [1, 16])
def test_tenants_get_equal_work_and_not_equal_numbers_of_jobs(store: JobStore, at_once: int) -> None:
    flood(store, 30, "a", 1.0)
    flood(store, 300, "b", 0.01)
    work = work_of(take(store, 102, at_once=at_once))
    assert work["a"] == pytest.approx(work["b"], abs=1.0)


def test_a_flood_of_one_tenant_holds_up_no_other(store: JobStore) -> None:
    flood(store, 500, "a", 1.0)
    take(store, 20)
    mine = submit(store, tenant="b", price_s=1.0)
    assert mine in {claim.id for claim in take(store, 2)}


def test_weights_divide_the_work(store: JobStore) -> None:
    flood(store, 100, "a", 0.1, weight=2.0)
    flood(store, 100, "b", 0.1)
    work = work_of(take(store, 90))
    assert work["a"] / work["b"] == pytest.approx(2.0, rel=0.1)


def test_a_tenant_that_wakes_does_not_catch_up_for_its_idle_time(store: JobStore) -> None:
    flood(store, 200, "a", 1.0)
    take(store, 100)
    flood(store, 100, "b", 1.0)
    work = work_of(take(store, 20))
    assert work["b"] == pytest.approx(10.0, abs=1.0)


def test_a_tenant_can_not_go_first_again_by_coming_back(store: JobStore) -> None:
    """Each of its jobs finds an empty flow, and pays for the one before all the same."""
    flood(store, 100, "a", 1.0)
    given: list[str] = []
    for _ in range(20):
        submit(store, tenant="b", price_s=3.0)
        given += [claim.tenant for claim in take(store, 2)]
    assert given.count("a") >= 25, given


def test_newcomers_are_served_in_the_order_in_which_they_come(store: JobStore) -> None:
    names = [f"t{number * 7 % 20}" for number in range(20)]
    for name in names:
        submit(store, tenant=name, price_s=1.0)
    assert [claim.tenant for claim in take(store, 20)] == names


def test_jobs_of_a_model_that_nobody_has_measured_are_shared_by_their_number(store: JobStore) -> None:
    flood(store, 40, "a", 0.0)
    flood(store, 10, "b", 0.0)
    tenants = [claim.tenant for claim in take(store, 16, at_once=16)]
    assert tenants.count("b") == pytest.approx(8, abs=1)


@pytest.mark.parametrize("idle", [False, True])
def test_who_looked_cheap_pays_later(store: JobStore, idle: bool) -> None:
    """Whether or not anything of that tenant waits when the truth is known."""
    flood(store, 60, "b", 1.0)
    flood(store, 4, "a", 0.01)
    cheap = [claim for claim in take(store, 8) if claim.tenant == "a"]
    assert len(cheap) == 4
    if not idle:
        flood(store, 60, "a", 1.0)
    end(store, cheap, 5.0)
    if idle:
        flood(store, 60, "a", 1.0)
    assert work_of(take(store, 12)) == {"b": 12.0}, "20 work-seconds were had by a"
    work = work_of(take(store, 20))
    assert work["a"] == pytest.approx(work["b"] - 4, abs=2.0)


def test_who_looked_dear_gets_it_back(store: JobStore) -> None:
    flood(store, 60, "a", 1.0)
    flood(store, 60, "b", 1.0)
    claims = [claim for claim in take(store, 20) if claim.tenant == "a"]
    end(store, claims, 0.01)
    assert work_of(take(store, 8)) == {"a": 8.0}


def test_a_job_that_comes_back_has_cost_nothing(store: JobStore) -> None:
    flood(store, 60, "a", 1.0)
    flood(store, 60, "b", 1.0)
    claims = [claim for claim in take(store, 20) if claim.tenant == "a"]
    store.release(claims)
    again = take(store, 10)
    assert [claim.id for claim in again if claim.tenant == "a"][:8] == [claim.id for claim in claims][:8]
    assert work_of(again)["a"] >= 9


def test_truth_and_price_stand_in_the_record(store: JobStore) -> None:
    submit(store, price_s=0.25)
    (claim,) = take(store, 1)
    assert (claim.tenant, claim.lane, claim.price_s, claim.weight) == (TENANT, "default", 0.25, 1.0)
    assert store.read(claim.id, TENANT).work_s is None
    end(store, [claim], 0.5)
    job = store.read(claim.id, TENANT)
    assert (job.price_s, job.work_s) == (0.25, 0.5)


def test_with_a_queue_that_is_idle_all_is_forgotten(store: JobStore) -> None:
    flood(store, 5, "a", 1.0)
    end(store, take(store, 5), 100.0)
    assert not [key for key in store.client.scan_iter("*") if QUEUE.encode() in key and b":" in key]
    flood(store, 5, "a", 1.0)
    flood(store, 5, "b", 1.0)
    assert work_of(take(store, 4)) == {"a": 2.0, "b": 2.0}


def test_what_was_given_long_ago_is_forgotten(store: JobStore) -> None:
    flood(store, 400, "a", 1.0)
    for number in range(100):
        submit(store, tenant=f"t{number}", price_s=0.1)
    take(store, 480, at_once=16)
    assert store.client.zcard(tags_key(QUEUE, "default")) <= 30
    assert store.client.zcard(tenants_key(QUEUE, "default")) == 1


def test_models_share_nothing(store: JobStore) -> None:
    flood(store, 40, "a", 1.0)
    take(store, 20)
    flood(store, 5, "a", 1.0, model="another")
    flood(store, 5, "b", 1.0, model="another")
    claims = store.turn("w1", sources=[queue_of("another")], max_jobs=4).claims
    assert work_of(claims) == {"a": 2.0, "b": 2.0}


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nobody_who_waits_is_behind_by_more_than_the_largest_jobs(store: JobStore, data: st.DataObject) -> None:
    """The bound of start-time fair queueing: by weight, two flows that wait differ by one job of each at most."""
    store.client.flushall()
    prices = st.sampled_from([0.01, 0.1, 1.0, 5.0])
    weights = {"a": 1.0, "b": data.draw(st.sampled_from([1.0, 2.0, 0.5])), "c": 4.0}
    for tenant, weight in weights.items():
        for _ in range(60):
            submit(store, tenant=tenant, price_s=data.draw(prices), weight=weight)
    got = dict.fromkeys(weights, 0.0)
    for claim in take(store, 60, at_once=data.draw(st.integers(1, 16))):
        got[claim.tenant] += claim.price_s / claim.weight
        for (one, weight), (other, other_weight) in permutations(weights.items(), 2):
            assert got[one] - got[other] <= 5.0 / weight + 5.0 / other_weight + 1e-6


def test_newcomers_keep_their_order_however_long_the_queue_has_been_busy(store: JobStore) -> None:
    submit(store, tenant="first")
    store.client.hset(shares_key(QUEUE), mapping={"v:default": "2e9", "last:default": "2e9"})
    for tenant in "dcba":
        submit(store, tenant=tenant)
    names = store.client.zrange(tenants_key(QUEUE, "default"), 0, -1)
    assert [name.decode() for name in names if len(name) == 1] == ["d", "c", "b", "a"]


def test_weights_do_not_drift(store: JobStore) -> None:
    for _ in range(300):
        submit(store, weight=1 / 3)
    assert float(store.client.hget(shares_key(QUEUE), "weights:default")) == pytest.approx(1 / 3, abs=1e-9)
