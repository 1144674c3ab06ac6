"""What is ahead of a job that waits: exact in its own flow, and a fair share of the others'."""

import pytest

from contracts.store.keys import PREFIX
from contracts.store.queues.places import LEFT, Place
from tests.redis.builders import NO_LIMITS, SUSPECTS, TENANT, claimed, come_due, field, new_job, submit
from tests.redis.shares.taking import end, flood, take
from tests.support.job_store import JobStore


def place(store: JobStore, job_id: str, tenant: str = TENANT) -> Place:
    found = store.place(store.read(job_id, tenant))
    assert found is not None
    return found


def test_the_reply_to_a_submit_has_the_place(store: JobStore) -> None:
    places = [store.submit(new_job(price_s=0.5), NO_LIMITS).place for _ in range(3)]
    assert places == [Place(number, 0.5 * number, 0.5, 0.0) for number in range(3)]
    take(store, 1)
    job = new_job(price_s=0.5)
    assert store.submit(job, NO_LIMITS).place == place(store, job.id) == Place(2, 1.0, 0.5, pytest.approx(0.5 * LEFT))


def test_of_a_job_that_was_accepted_before_no_place_is_told(store: JobStore) -> None:
    job = new_job(idempotency_key="k", fingerprint="f")
    assert store.submit(job, NO_LIMITS).place is not None
    assert store.submit(job, NO_LIMITS).place is None
    assert store.submit(new_job(idempotency_key="k", fingerprint="f"), NO_LIMITS).place is None


def test_work_ahead_is_exact_while_jobs_of_one_tenant_are_served_in_order(store: JobStore) -> None:
    prices = [0.1, 3.0, 0.25, 7.0, 0.5, 0.5]
    ids = [submit(store, price_s=price) for price in prices]
    for num_taken in range(len(ids)):
        for number in range(num_taken, len(ids)):
            ahead = sum(prices[num_taken:number])
            assert place(store, ids[number])[:2] == (number - num_taken, pytest.approx(ahead, abs=1e-6))
        end(store, take(store, 1))


@pytest.mark.parametrize("cancelled", [0, 2, 4])
def test_after_a_cancel_it_is_never_too_little_and_new_jobs_have_it_exactly(store: JobStore, cancelled: int) -> None:
    prices = [1.0, 2.0, 4.0, 8.0, 16.0]
    ids = [submit(store, price_s=price) for price in prices]
    store.cancel(ids[cancelled], TENANT)
    left = [number for number in range(5) if number != cancelled]
    for number in left:
        true_s = sum(prices[other] for other in left if other < number)
        assert true_s - 1e-6 <= place(store, ids[number]).work_ahead_s <= true_s + prices[cancelled]
        if number < cancelled:
            assert place(store, ids[number]).work_ahead_s == pytest.approx(true_s, abs=1e-6)
    assert place(store, submit(store, price_s=1.0)).work_ahead_s == pytest.approx(31 - prices[cancelled], abs=1e-6)


def test_a_job_that_comes_back_is_first_and_ahead_of_the_others(store: JobStore) -> None:
    ids = [submit(store, price_s=1.0) for _ in range(4)]
    store.release(take(store, 1))
    assert [place(store, job_id)[:2] for job_id in ids] == [(number, float(number)) for number in range(4)]


def test_others_are_ahead_as_far_as_their_shares_go(store: JobStore) -> None:
    flood(store, 100, "a", 1.0)
    job = new_job(tenant="b", price_s=2.0)
    for found in (store.submit(job, NO_LIMITS).place, place(store, job.id, "b")):
        assert found == Place(2, pytest.approx(2.0), 2.0, 0.0)
    flood(store, 1, "c", 0.5)
    assert place(store, job.id, "b").work_ahead_s == pytest.approx(4.0), (
        "by weights; c has less, which is not looked at"
    )


@pytest.mark.parametrize("num_running", [1, 4])
def test_what_runs_of_others_is_before_it_as_far_as_their_shares_go(store: JobStore, num_running: int) -> None:
    flood(store, num_running, "a", 1.0)
    take(store, num_running)
    job, small = new_job(tenant="b", price_s=1.5), new_job(tenant="c", price_s=0.1)
    for found in (store.submit(job, NO_LIMITS).place, place(store, job.id, "b")):
        assert found == Place(0, 0.0, 1.5, pytest.approx(LEFT if num_running == 1 else 1.5))
    assert store.submit(small, NO_LIMITS).place == pytest.approx(place(store, small.id, "c"))
    end(store, take(store, 2))
    own = new_job(tenant="a", price_s=0.1)
    for found in (store.submit(own, NO_LIMITS).place, place(store, own.id, "a")):
        own_before = 0.2 if num_running == 1 else LEFT * num_running
        assert found == Place(0, 0.0, 0.1, pytest.approx(own_before)), "all of its own, of which it overtakes one"


def test_weights_count_for_what_is_ahead(store: JobStore) -> None:
    flood(store, 100, "a", 1.0)
    job = new_job(tenant="b", price_s=2.0, weight=4.0)
    for found in (store.submit(job, NO_LIMITS).place, place(store, job.id, "b")):
        assert found == Place(1, pytest.approx(0.5), 2.0, 0.0)


def test_other_lanes_are_not_ahead_because_the_rate_of_the_lane_says_it(store: JobStore) -> None:
    flood(store, 10, "a", 1.0, lane="interactive")
    assert store.submit(new_job(price_s=1.0), NO_LIMITS).place == Place(0, 0.0, 1.0, 0.0)


def test_what_a_tenant_was_given_before_its_turn_is_ahead(store: JobStore) -> None:
    """Its jobs were cheap to look at, and the others' come first until they have had as much."""
    flood(store, 2, "a", 0.1)
    flood(store, 50, "b", 1.0)
    end(store, [claim for claim in take(store, 4) if claim.tenant == "a"], 10.0)
    job = new_job(tenant="a", price_s=1.0)
    accepted = store.submit(job, NO_LIMITS).place
    assert accepted is not None and accepted.work_ahead_s == pytest.approx(20, abs=2.5)
    assert place(store, job.id, "a").work_ahead_s == pytest.approx(accepted.work_ahead_s, abs=0.01)


def test_a_suspect_has_a_place_among_suspects(store: JobStore) -> None:
    taken = claimed(store, price_s=1.0)
    come_due(store, taken.id)
    store.reap()
    assert place(store, taken.id) == Place(0, 0.0, 1.0, 0.0)
    store.client.zadd(f"{PREFIX}waiting:{SUSPECTS}", {"another": 1})
    behind = place(store, taken.id)
    assert behind == Place(1, None, 1.0, 0.0), "of suspects only the number is known"
    assert behind.eta_s(1.0, 1.0) is None


def test_it_is_one_round_trip(store: JobStore) -> None:
    flood(store, 50, "a", 1.0)
    job = store.read(submit(store), TENANT)
    store.client.config_resetstat()
    assert store.place(job) is not None
    stats = store.client.info("commandstats")
    assert (
        sum(row["calls"] for name, row in stats.items() if name not in {"cmdstat_config|resetstat", "cmdstat_info"})
        < 10
    )
    assert store.client.info("stats")["total_connections_received"] == 0


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_the_time_until_it_is_done_follows_from_the_rates(store: JobStore, rate: float) -> None:
    assert Place(1, 3.0, 1.0, 4.0).eta_s(rate, 2.0) == pytest.approx(4 / rate + 2)
    assert Place(1, 3.0, 1.0, 4.0, 9.0).eta_s(rate, 2.0) == pytest.approx(3 / rate + 9 + 2)
    assert Place(1, 3.0).eta_s(0.0, 0.0) is None


def test_marks_are_left_out_where_nothing_was_before(store: JobStore) -> None:
    first, second = submit(store, price_s=1.0), submit(store, price_s=1.0)
    assert (field(store, first, "mark_s"), field(store, second, "mark_s")) == (None, "1.000000")
