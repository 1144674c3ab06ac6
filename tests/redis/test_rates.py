"""Step 2: rates of a tenant and its key. Each is exact at its edge, and a refused request costs nothing."""

import math
import time
from collections.abc import Callable

import pytest

from contracts.errors import (
    IdempotencyMismatch,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    StorageQuotaExceeded,
    TriptychError,
)
from contracts.jobs import Answer
from contracts.limits import Meter, MeterState
from contracts.price.estimate import Consumed
from contracts.settings import StoreSettings
from contracts.store.job_writer import Submit
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from contracts.store.reaper import Reaper
from contracts.store.tenants.limits import Meters
from tests.redis.builders import TENANT, all_at_once, claim, field, new_job, snapshot, status, submit
from tests.support.job_store import JobStore
from tests.support.store_time import let_pass

KEY = "0123456789abcdef"


def rate(quota: int, cost: float = 1.0, kind: str = "requests", owner: str = f"tenant:{TENANT}") -> Meter:
    """Return a rate of a tenant."""
    return Meter(f"{kind}:{owner}", quota, cost)


class Clients:
    """Submits jobs under rates, and remembers what was said of the meters."""

    def __init__(self, store: JobStore, *meters: Meter) -> None:
        self._store = store
        self.admission = Admission(meters=meters)
        self.states: list[MeterState] = []

    def submit(self, **changes: object) -> str:
        """Submit a job."""
        (reply,) = self._store.submit_all([Submit(new_job(**changes), self.admission)])
        self.states = reply.meters or []
        return reply.accepted().job_id

    def refused(self, **changes: object) -> RateLimited:
        """Submit a job, and return why it was refused."""
        before = snapshot(self._store)
        with pytest.raises(RateLimited) as caught:
            self.submit(**changes)
        assert snapshot(self._store) == before, "a refused request has left something"
        return caught.value


@pytest.mark.parametrize("quota", [1, 7, 60])
def test_a_quota_may_be_used_at_once_and_not_one_request_more(store: JobStore, quota: int) -> None:
    clients = Clients(store, rate(quota))
    for _ in range(quota):
        clients.submit()
    refused = clients.refused()
    assert refused.retry_after_s == pytest.approx(60 / quota, abs=1.0)
    assert f"Try again in {max(1, math.ceil(refused.retry_after_s))} s." in str(refused)
    assert f"requests_per_minute of your tenant is {quota} (set by TRIPTYCH_TENANT_REQUESTS_PER_MINUTE)" in str(refused)


def test_after_retry_after_one_request_is_accepted_and_just_before_it_none(store: JobStore) -> None:
    clients = Clients(store, rate(4))
    for _ in range(4):
        clients.submit()
    wait_s = clients.refused().retry_after_s
    assert wait_s is not None
    let_pass(store.client, wait_s - 5)
    clients.refused()
    let_pass(store.client, 5)
    clients.submit()
    clients.refused()


def test_a_rate_holds_over_many_minutes_however_requests_come(store: JobStore) -> None:
    """At most the quota at once, and as much again a minute."""
    clients = Clients(store, rate(12))
    accepted = 0
    for _ in range(100):
        let_pass(store.client, 3)
        for _ in range(3):
            try:
                clients.submit()
            except RateLimited:
                continue
            accepted += 1
    assert accepted == pytest.approx(12 + 300 / 60 * 12, abs=1)


def test_many_requests_at_once_take_no_more_than_the_quota(store: JobStore) -> None:
    clients = Clients(store, rate(10))

    def try_one(_: int) -> bool:
        try:
            store.submit(new_job(), clients.admission)
        except RateLimited:
            return False
        return True

    assert sum(all_at_once(32, try_one)) == 10


def test_both_the_tenant_and_the_key_must_have_room_and_neither_is_charged_alone(store: JobStore) -> None:
    tenant, key = rate(10), rate(2, owner=f"key:{KEY}")
    with_key, others = Clients(store, tenant, key), Clients(store, tenant)
    with_key.submit()
    with_key.submit()
    refused = with_key.refused()
    assert f"requests_per_minute of your key is 2 (set by 'keys limits --key {KEY}')" in str(refused)
    assert "tenant" not in str(refused)
    for _ in range(8):
        others.submit()
    others.refused()


def test_replays_and_requests_that_are_refused_for_another_reason_cost_nothing(store: JobStore) -> None:
    clients = Clients(store, rate(2))
    again = {"idempotency_key": "k", "fingerprint": "f"}
    job_id = clients.submit(**again)
    for _ in range(5):
        assert clients.submit(**again) == job_id
    refusals: list[tuple[type[TriptychError], Admission]] = [
        (IdempotencyMismatch, Admission(meters=clients.admission.meters)),
        (QueueFull, Admission(meters=clients.admission.meters, max_waiting=0)),
        (QuotaExceeded, Admission(meters=clients.admission.meters, max_active=1)),
        (StorageQuotaExceeded, Admission(meters=clients.admission.meters, max_bytes=1)),
    ]
    for error, admission in refusals:
        key = again | {"fingerprint": "g"} if error is IdempotencyMismatch else {}
        with pytest.raises(error):
            store.submit(new_job(**key), admission)
    clients.submit()
    clients.refused()


def test_a_call_that_is_sent_again_costs_once(store: JobStore) -> None:
    clients, job = Clients(store, rate(2)), new_job()
    for _ in range(3):
        store.submit(job, clients.admission)
    clients.submit()
    clients.refused()


def test_the_states_of_meters_are_those_after_the_request(store: JobStore) -> None:
    clients = Clients(store, rate(3), rate(100, 40.0, "work"))
    clients.submit()
    assert [one.used for one in clients.states] == pytest.approx([1, 40], abs=0.1)
    clients.submit()
    clients.refused()
    requests, work = clients.states
    assert (requests.used, work.used) == pytest.approx((2, 80), abs=0.5)
    assert requests.wait_s == 0 and work.wait_s == pytest.approx(20 * 60 / 100, abs=0.5)
    read = Meters(store.client).read(clients.admission.meters, time.time())
    assert [one.used for one in read] == pytest.approx([2, 80], abs=0.5)


def test_a_job_of_more_work_than_the_quota_runs_when_all_of_it_is_free(store: JobStore) -> None:
    """Its price is an estimate, so it is no reason to refuse the job for ever; the rate holds over time."""
    clients = Clients(store, rate(60, 300.0, "work"))
    clients.submit()
    assert clients.refused().retry_after_s == pytest.approx(300, abs=1)
    let_pass(store.client, 298)
    clients.refused()
    let_pass(store.client, 3)
    clients.submit()


def test_a_quota_that_is_changed_holds_from_the_next_request_on(store: JobStore) -> None:
    few, many = Clients(store, rate(2)), Clients(store, rate(10))
    few.submit()
    few.submit()
    few.refused()
    for _ in range(8):
        many.submit()
    many.refused()


def test_meters_go_when_nobody_uses_them(store: JobStore) -> None:
    Clients(store, rate(60)).submit()
    (key,) = store.client.scan_iter(f"{PREFIX}rate:*")
    assert 0 < store.client.ttl(key) <= 2 * 86_400 + 60


def test_a_meter_that_somebody_has_written_over_is_an_empty_one(store: JobStore) -> None:
    clients = Clients(store, rate(1))
    store.client.set(f"{PREFIX}rate:requests:tenant:{TENANT}", "much")
    clients.submit()
    clients.refused()


def work_used(store: JobStore, owner: str) -> float:
    """Return the work-seconds that a meter has counted, without what has drained."""
    value = store.client.get(f"{PREFIX}rate:work:{owner}")
    return float(value.split()[0])


def _succeed(store: JobStore, job_id: str, work_s: float) -> None:
    answer = Answer(output=b"1", usage=b"{}", timings=b"{}", model_revision="r")
    store.succeed(claim(store, job_id), answer, Consumed(work_s, 1, 1))


ENDS: dict[str, tuple[Callable[[JobStore, str], object], float]] = {
    "more work": (lambda store, job_id: _succeed(store, job_id, 7.0), 7.0),
    "less work": (lambda store, job_id: _succeed(store, job_id, 0.5), 0.5),
    "never ran": (lambda store, job_id: store.cancel(job_id, TENANT), 0.0),
    "deleted": (lambda store, job_id: store.delete(job_id, TENANT), 0.0),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_truth_at_the_end_corrects_the_meters_of_tenant_and_key(store: JobStore, end: str) -> None:
    meters = (rate(6, 2.0, "work"), rate(6, 2.0, "work", f"key:{KEY}"))
    job = new_job(price_s=2.0, key_id=KEY)
    store.submit(job, Admission(meters=meters))
    finish, expected = ENDS[end]
    finish(store, job.id)
    for _ in range(2):
        store.reap()
    for owner in (f"tenant:{TENANT}", f"key:{KEY}"):
        assert work_used(store, owner) == pytest.approx(expected, abs=0.2)


def post_all(store: JobStore) -> None:
    """Do what the reaper does each second."""
    Reaper(store.client, StoreSettings()).post_ledger()


@pytest.mark.parametrize("owner", [f"tenant:{TENANT}", f"key:{KEY}"])
def test_who_cancels_jobs_whose_work_has_drained_gets_no_more_than_the_quota(store: JobStore, owner: str) -> None:
    clients = Clients(store, rate(5, 4.7, "work", owner))
    old = clients.submit(price_s=4.7, key_id=KEY)
    let_pass(store.client, 60)
    new = clients.submit(price_s=4.7, key_id=KEY)
    store.cancel(old, TENANT)
    post_all(store)
    assert work_used(store, owner) == pytest.approx(4.7, abs=0.2)
    clients.refused(price_s=4.7, key_id=KEY)
    store.cancel(new, TENANT)
    post_all(store)
    clients.submit(price_s=4.7, key_id=KEY)


def test_what_has_not_drained_is_given_back(store: JobStore) -> None:
    clients = Clients(store, rate(6, 2.0, "work"))
    ids = [clients.submit(price_s=2.0) for _ in range(3)]
    let_pass(store.client, 20)
    for job_id in ids[:2]:  # together they were charged 4, of which no more than 2 can have drained
        store.cancel(job_id, TENANT)
    post_all(store)
    assert work_used(store, f"tenant:{TENANT}") == pytest.approx(2.0, abs=0.3)


def test_more_work_than_estimated_counts_however_long_ago_the_job_has_come(store: JobStore) -> None:
    admission = Admission(meters=(rate(6, 2.0, "work"),))
    more, less = (store.submit(new_job(price_s=2.0), admission).job_id for _ in range(2))
    let_pass(store.client, 120)
    _succeed(store, more, 5.0)
    _succeed(store, less, 1.0)
    post_all(store)
    assert work_used(store, f"tenant:{TENANT}") == pytest.approx(3.0, abs=0.3)


def test_each_job_corrects_the_meters_by_its_own_work_whatever_its_account_has_already(store: JobStore) -> None:
    for _ in range(3):
        job = new_job(price_s=2.0)
        store.submit(job, Admission(meters=(rate(6, 2.0, "work"),)))
        _succeed(store, job.id, 1.0)
        store.reap()
    assert work_used(store, f"tenant:{TENANT}") == pytest.approx(3.0, abs=0.5)


def test_a_job_without_rates_makes_no_meters(store: JobStore) -> None:
    job_id = submit(store, price_s=2.0, key_id=KEY)
    _succeed(store, job_id, 9.0)
    store.reap()
    assert not list(store.client.scan_iter(f"{PREFIX}rate:*"))
    assert status(store, job_id) == "succeeded" and field(store, job_id, "key") == KEY
