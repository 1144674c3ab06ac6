"""What is accepted will be done by its deadline, as far as can be known, and makes no other tenant late."""

import pytest

from contracts.errors import DeadlineUnreachable, QueueFull
from contracts.jobs import LANES
from contracts.store.keys import PREFIX, shares_key
from contracts.store.queues.admission import Admission
from contracts.store.queues.places import LEFT
from contracts.store.queues.shares import LaneUse
from tests.redis.builders import NO_LIMITS, QUEUE, TENANT, active, new_job, snapshot, submit
from tests.redis.shares.taking import end, flood, take
from tests.support.job_store import JobStore
from tests.support.store_time import let_pass

ONE = Admission(lane_rate=1.0, capacity=1.0, capacity_of_one=1.0)
"""One worker, and no other lane."""


def fill(store: JobStore, admission: Admission = ONE, **changes: object) -> tuple[float, QueueFull]:
    """Submit until a job is refused; return the work that was accepted, and the refusal."""
    accepted_s = 0.0
    while True:
        job = new_job(**{"price_s": 1.0, "deadline_s": 100.0} | changes)
        try:
            store.submit(job, admission)
        except QueueFull as error:
            return accepted_s, error
        accepted_s += job.price_s


def test_as_much_is_accepted_as_can_be_done_in_time(store: JobStore) -> None:
    accepted_s, error = fill(store)
    assert accepted_s == 90.0
    assert error.http_status == 503 and "deadline_s of 100" in error.message
    assert error.retry_after_s == pytest.approx(1.0, abs=0.01)


def test_what_is_refused_leaves_nothing(store: JobStore) -> None:
    fill(store)
    before = snapshot(store)
    with pytest.raises(QueueFull):
        store.submit(new_job(price_s=1.0, deadline_s=100.0, idempotency_key="k", fingerprint="f"), ONE)
    assert snapshot(store) == before
    assert active(store) == {TENANT: 90}


def test_it_fits_once_as_much_is_served_as_was_said(store: JobStore) -> None:
    fill(store)
    with pytest.raises(QueueFull) as refused:
        store.submit(new_job(price_s=10.0, deadline_s=100.0), ONE)
    assert refused.value.retry_after_s == pytest.approx(10.0)
    claims = take(store, 9)
    for claim in claims:
        assert store.fail(claim, DeadlineUnreachable())
    with pytest.raises(QueueFull):
        store.submit(new_job(price_s=10.0, deadline_s=100.0), ONE)
    assert store.fail(take(store, 1)[0], DeadlineUnreachable())
    store.submit(new_job(price_s=10.0, deadline_s=100.0), ONE)


def test_more_workers_take_more(store: JobStore) -> None:
    assert fill(store, Admission(lane_rate=4.0, capacity=4.0, capacity_of_one=1.0))[0] == 360.0


def test_of_what_runs_the_most_is_left(store: JobStore) -> None:
    flood(store, 10, TENANT, 1.0)
    take(store, 10)
    assert fill(store, price_s=0.5)[0] == 90.0 - 10 * LEFT


def test_of_what_waits_in_a_worker_nearly_all_is_left(store: JobStore) -> None:
    """It holds many small jobs, but does no more of them at a time than of large ones."""
    flood(store, 64, TENANT, 1.0)
    take(store, 64)
    assert fill(store)[0] == pytest.approx(90.0 - 48 - 16 * LEFT, abs=1.0)


@pytest.mark.parametrize("capacity_of_one", [1.0, 0.0])
def test_a_job_that_takes_too_long_by_itself_is_told_so_at_once(store: JobStore, capacity_of_one: float) -> None:
    """A job runs on one worker, however many there are."""
    admission = Admission(lane_rate=1.0, capacity=8.0 if capacity_of_one else 1.0, capacity_of_one=capacity_of_one)
    with pytest.raises(DeadlineUnreachable, match=r"about 91 work-seconds.* does 1 in a second.*100") as refused:
        store.submit(new_job(price_s=91.0, deadline_s=100.0), admission)
    assert refused.value.http_status == 422 and not store.client.keys(f"{PREFIX}job:*")
    store.submit(new_job(price_s=89.0, deadline_s=100.0), admission)


@pytest.mark.parametrize("unknown", [{"price_s": 0.0}, {"rate": 0.0}])
def test_where_nothing_is_known_nothing_is_refused(store: JobStore, unknown: dict[str, float]) -> None:
    admission = Admission(lane_rate=unknown.get("rate", 1e-3), capacity=1e-3, capacity_of_one=1e-3)
    for _ in range(20):
        store.submit(new_job(price_s=unknown.get("price_s", 1e6), deadline_s=1.0), admission)


def test_a_flood_of_one_tenant_closes_the_queue_for_that_tenant_only(store: JobStore) -> None:
    fill(store, tenant="a")
    job = new_job(tenant="b", price_s=1.0, deadline_s=20.0)
    accepted = store.submit(job, ONE)
    assert accepted.place is not None and accepted.place.work_ahead_s == pytest.approx(1.0)


def test_a_tenant_has_its_share_beside_one_that_has_filled_the_queue(store: JobStore) -> None:
    """Who has more than another is promised what that one leaves."""
    fill(store, tenant="a")
    assert fill(store, tenant="b")[0] == pytest.approx(45.0, abs=1.0)


def test_tight_deadlines_of_one_tenant_keep_nobody_out(store: JobStore) -> None:
    done = {"a": 0.0, "b": 0.0}
    for _ in range(20):
        fill(store, tenant="a", price_s=0.1, deadline_s=5.0)
        store.submit(new_job(tenant="b", price_s=1.0, deadline_s=900.0), ONE)
        claims = take(store, 10)
        end(store, claims)
        for claim in claims:
            done[claim.tenant] += claim.price_s
    assert done["b"] > done["a"] / 3


@pytest.mark.parametrize("is_known", [True, False])
def test_a_small_backlog_is_not_made_late_by_one_more_tenant(store: JobStore, is_known: bool) -> None:
    for number in range(3):
        flood(store, 3, f"t{number}", 1.0, deadline_s=10.0)
        submit(store, tenant="in no haste", deadline_s=1000.0)
    if not is_known:  # of which time on somebody may be late
        store.client.hdel(shares_key(QUEUE), "soonest:default")
    with pytest.raises(QueueFull):
        store.submit(new_job(tenant="new", price_s=5.0, deadline_s=1000.0), ONE)


def test_the_deadline_of_a_cancelled_job_guards_nothing(store: JobStore) -> None:
    flood(store, 5, "a", 1.0, deadline_s=1000.0)
    tight = store.submit(new_job(tenant="a", price_s=1.0, deadline_s=12.0), ONE).job_id
    store.cancel(tight, "a")
    assert fill(store, tenant="b", deadline_s=1000.0)[0] > 100


def test_what_runs_of_one_tenant_keeps_no_other_out(store: JobStore) -> None:
    accepted_s, _ = fill(store, tenant="a", price_s=90.0, deadline_s=900.0)
    take(store, 16, at_once=16)
    assert accepted_s == 810.0
    for deadline_s in (1.0, 60.0, 900.0):
        place = store.submit(new_job(tenant="b", price_s=0.01, deadline_s=deadline_s), ONE).place
        assert place is not None and (place.eta_s(1.0, 1.0) or 9.9) < 0.1
    assert fill(store, tenant="a", price_s=90.0, deadline_s=900.0)[0] <= 180.0, "for its own tenant it counts"


def test_what_runs_in_another_lane_counts_by_its_weight(store: JobStore) -> None:
    flood(store, 8, "a", 100.0, lane="interactive", deadline_s=100_000.0)
    take(store, 8, at_once=8)
    assert fill(store, deadline_s=90.0, price_s=0.1)[0] == pytest.approx(27.0, abs=1.0), "8 of 12 are the other lane's"


def test_who_is_late_already_is_no_reason_to_refuse_others(store: JobStore) -> None:
    fill(store, tenant="a")
    let_pass(store.client, 50)  # and nobody has worked
    assert fill(store, tenant="b")[0] > 20


def test_many_small_tenants_have_their_shares(store: JobStore) -> None:
    """The flows that are looked at are few, whatever waits."""
    for number in range(40):
        submit(store, tenant=f"t{number}", price_s=1.0, deadline_s=1000.0)
    assert fill(store, tenant="new", deadline_s=30.0)[0] == 0.0
    assert fill(store, tenant="new", deadline_s=60.0)[0] >= 5


def test_weights_count(store: JobStore) -> None:
    flood(store, 200, "a", 1.0, deadline_s=1000.0)
    light = fill(store, tenant="b", deadline_s=40.0)[0]
    store.client.flushall()
    flood(store, 200, "a", 1.0, deadline_s=1000.0)
    heavy = fill(store, tenant="b", deadline_s=40.0, weight=3.0)[0]
    assert (light, heavy) == (pytest.approx(18, abs=1), pytest.approx(27, abs=1))


def test_other_lanes_count_by_the_rate(store: JobStore) -> None:
    assert fill(store, Admission(lane_rate=0.1, capacity=1.0, capacity_of_one=1.0), lane="bulk")[0] == 9.0


def test_what_waits_in_other_lanes_counts_by_their_weights(store: JobStore) -> None:
    """Whatever the gateway knew of the rate a second ago."""
    for lane in LANES[:2]:
        flood(store, 100, "a", 1.0, lane=lane, deadline_s=100_000.0)
    assert fill(store, lane="bulk")[0] == 6.0, "13 times as much is started until it is done"
    store.client.flushall()
    flood(store, 50, "a", 0.1, deadline_s=100_000.0)
    assert fill(store, lane="bulk", tenant="b")[0] == 85.0, "no more waits than this"


def test_what_others_had_of_late_counts_even_if_nothing_of_it_waits(store: JobStore) -> None:
    """They send jobs that are served at once, and will go on to."""
    half = Admission(lane_rate=1.0, capacity=1.0, capacity_of_one=1.0, lane_use=LaneUse(used=0.5, weights=1.0))
    assert fill(store, half, tenant="new")[0] == pytest.approx(45.0, abs=2.0)


def test_a_tenant_can_count_on_its_share_however_much_the_others_use(store: JobStore) -> None:
    full = Admission(lane_rate=1.0, capacity=1.0, capacity_of_one=1.0, lane_use=LaneUse(used=1.0, weights=2.0))
    assert fill(store, full)[0] == pytest.approx(30.0, abs=15.0)
    assert fill(store, full, tenant="heavy", weight=8.0)[0] > 40.0


def test_those_who_come_now_share_with_what_runs_of_a_tenant_too(store: JobStore) -> None:
    """A burst of one tenant is in hand before the first job of the others, who used the workers of late as well."""
    full = Admission(lane_rate=1.0, capacity=1.0, capacity_of_one=1.0, lane_use=LaneUse(used=1.0, weights=4.0))
    flood(store, 10, "a", 1.0)
    take(store, 10)
    in_hand_s = LEFT * 10
    one_of_four_s = 90.0 / 4
    assert fill(store, full, tenant="a")[0] == pytest.approx(one_of_four_s - in_hand_s, abs=1.0)


def test_a_large_job_is_not_promised_the_pace_of_small_ones(store: JobStore) -> None:
    """It shares its worker with those that run until it has had its own work."""
    flood(store, 16, "a", 0.1)
    take(store, 16)
    with pytest.raises(QueueFull):
        store.submit(new_job(price_s=7.0, deadline_s=100.0), ONE)
    store.submit(new_job(price_s=5.0, deadline_s=100.0), ONE)


def test_an_earlier_request_is_answered_however_full_it_is(store: JobStore) -> None:
    first = store.submit(new_job(idempotency_key="k", fingerprint="f"), NO_LIMITS).job_id
    fill(store)
    again = new_job(price_s=1e6, deadline_s=1.0, idempotency_key="k", fingerprint="f")
    assert store.submit(again, ONE)[:2] == (first, True)


def test_a_queue_that_is_full_by_number_says_when_there_is_room(store: JobStore) -> None:
    flood(store, 10, TENANT, 2.0)
    with pytest.raises(QueueFull) as refused:
        store.submit(new_job(price_s=2.0), Admission(max_waiting=10, lane_rate=1.0, capacity=4.0))
    assert refused.value.retry_after_s == pytest.approx(0.5)


def test_a_small_job_overtakes_the_large_one_that_runs_of_its_tenant(store: JobStore) -> None:
    """As it does in the worker."""
    flood(store, 1, TENANT, 50.0)
    take(store, 1)
    job = new_job(price_s=0.1, deadline_s=5.0)
    place = store.submit(job, ONE).place
    assert place and place.eta_s(1.0, 1.0) == pytest.approx(0.3)
    assert store.place(store.read(job.id, TENANT)) == place


def test_of_equal_jobs_that_run_a_small_one_overtakes_the_last(store: JobStore) -> None:
    flood(store, 3, TENANT, 10.0)
    take(store, 3)
    with pytest.raises(QueueFull):
        store.submit(new_job(price_s=0.1, deadline_s=20.0), ONE)
    assert store.submit(new_job(price_s=0.1, deadline_s=25.0), ONE).place
    assert fill(store, price_s=0.1, deadline_s=22.0)[0] == 0.0, "behind jobs that wait it overtakes none"


@pytest.mark.parametrize(("served", "promised_s"), [(TENANT, 90.0), ("b", 45.0)])
def test_what_a_tenant_used_by_itself_is_not_what_others_take(store: JobStore, served: str, promised_s: float) -> None:
    """It sends one job after the other, so between them none of its jobs waits or runs."""
    flood(store, 1, "c", 1.0, lane="bulk")  # a queue in which nothing waits or runs would forget everything
    flood(store, 1, served, 10.0)
    claims = take(store, 2)
    end(store, [claim for claim in claims if claim.lane == "default"])
    used = Admission(lane_rate=1.0, capacity=1e6, capacity_of_one=2.0, lane_use=LaneUse(used=1.0, weights=1.0))
    with pytest.raises(QueueFull):
        store.submit(new_job(price_s=promised_s + 1, deadline_s=100.0), used)
    store.submit(new_job(price_s=promised_s - 1, deadline_s=100.0), used)
