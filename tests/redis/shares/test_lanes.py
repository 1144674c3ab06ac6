"""Lanes share a model 8 : 4 : 1 by work while all wait, and none stands still."""

from collections.abc import Sequence

import pytest

from contracts.jobs import LANES, Claim
from contracts.store.clock import store_time
from tests.redis.builders import TENANT, field, submit
from tests.redis.shares.taking import end, flood, take, work_of
from tests.support.job_store import JobStore
from tests.support.store_time import let_pass


def by_lane(claims: Sequence[Claim]) -> dict[str, float]:
    return work_of(claims, lambda claim: claim.lane)


@pytest.mark.parametrize("at_once", [1, 16])
def test_lanes_share_by_work(store: JobStore, at_once: int) -> None:
    """And not by numbers of jobs: those of the bulk lane are ten times as dear."""
    flood(store, 200, "a", 0.1, lane="interactive")
    flood(store, 200, "b", 0.1)
    flood(store, 40, "c", 1.0, lane="bulk")
    work = by_lane(take(store, 147, at_once=at_once))
    total = sum(work.values())
    assert [work[lane] / total for lane in LANES] == pytest.approx([8 / 13, 4 / 13, 1 / 13], abs=0.05)


def test_a_lane_in_which_nothing_waits_leaves_its_share_to_the_others(store: JobStore) -> None:
    flood(store, 50, "a", 0.1)
    flood(store, 50, "b", 0.1, lane="bulk")
    work = by_lane(take(store, 50))
    assert work["default"] / work["bulk"] == pytest.approx(4, rel=0.3)


def test_a_lane_that_wakes_does_not_catch_up(store: JobStore) -> None:
    flood(store, 200, "b", 1.0, lane="bulk")
    take(store, 100)
    flood(store, 100, "a", 1.0)
    work = by_lane(take(store, 50))
    assert work["default"] / work["bulk"] == pytest.approx(4, rel=0.2)


def test_an_urgent_job_is_next_whatever_waits_in_other_lanes(store: JobStore) -> None:
    flood(store, 100, "a", 1.0, lane="bulk")
    flood(store, 100, "b", 1.0)
    take(store, 20)
    urgent = submit(store, tenant="c", price_s=0.1, lane="interactive")
    assert take(store, 1)[0].id == urgent


def test_dear_jobs_get_no_more_than_their_lanes_share_in_the_long_run(store: JobStore) -> None:
    """A lane pays for a dear job over the next ones."""
    flood(store, 2500, "a", 0.2, lane="interactive")
    flood(store, 100, "b", 3.0, lane="bulk")
    take(store, 1200, at_once=16)
    work = by_lane(take(store, 1200, at_once=16))
    assert work["bulk"] / work["interactive"] == pytest.approx(1 / 8, rel=0.3)


def test_a_dear_job_of_one_tenant_does_not_hold_up_the_others_of_its_lane(store: JobStore) -> None:
    """If the lane had to pay 100 work-seconds at once, 800 of the other lane would go before its next job."""
    flood(store, 1, "a", 100.0)
    flood(store, 500, "b", 0.1, lane="interactive")
    take(store, 30)
    mine = submit(store, tenant="c", price_s=0.1)
    claims = take(store, 400, at_once=16)
    before = claims[: [claim.id for claim in claims].index(mine)]
    assert by_lane(before)["interactive"] <= 30.0


def test_a_lane_pays_for_what_its_jobs_took(store: JobStore) -> None:
    flood(store, 40, "a", 0.1)
    flood(store, 400, "b", 0.1, lane="interactive")
    cheap = [claim for claim in take(store, 30) if claim.lane == "default"][:4]
    end(store, cheap, 5.0)
    work = by_lane(take(store, 60))
    assert work["interactive"] / work["default"] > 4


def test_jobs_that_have_waited_long_count_for_more_and_never_for_more_than_urgent_ones(store: JobStore) -> None:
    flood(store, 300, "b", 0.1, deadline_s=86_400.0)
    flood(store, 300, "c", 0.1, deadline_s=86_400.0, lane="bulk")
    let_pass(store.client, 6 * 3600)
    flood(store, 300, "a", 0.1, lane="interactive")
    work = by_lane(take(store, 200))
    total = sum(work.values())
    assert [work[lane] / total for lane in LANES] == pytest.approx([0.4, 0.4, 0.2], abs=0.05)


def test_each_lane_has_flows_of_its_own(store: JobStore) -> None:
    """What a tenant was given in one lane does not hold it up in another."""
    flood(store, 50, TENANT, 1.0)
    flood(store, 50, "b", 1.0)
    take(store, 40)
    submit(store, tenant="b", price_s=1.0, lane="interactive")
    urgent = submit(store, price_s=1.0, lane="interactive")
    assert urgent in {claim.id for claim in take(store, 2)}


def test_the_lane_stands_in_the_record_unless_it_is_the_default(store: JobStore) -> None:
    lanes = {lane: submit(store, lane=lane) for lane in LANES}
    assert {lane: store.read(job_id, TENANT).lane for lane, job_id in lanes.items()} == {lane: lane for lane in LANES}
    assert field(store, lanes["default"], "lane") is None


def test_a_job_of_any_lane_is_found_by_depth_and_age(store: JobStore) -> None:
    for lane in LANES:
        submit(store, lane=lane)
    let_pass(store.client, 100)
    submit(store, tenant="another")
    num_waiting, oldest_s = store.depth("minilm")
    assert num_waiting == 4 and oldest_s >= 99
    assert store_time(store.client) > 0
