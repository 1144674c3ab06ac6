"""Step 2: jobs that are submitted in one call are accepted or refused as they would be one after another."""

from collections.abc import Sequence

import pytest
import redis
from msgspec import structs

from contracts.errors import IdempotencyMismatch, QueueFull, QuotaExceeded, StorageQuotaExceeded, TriptychError
from contracts.jobs import LANES, NewJob
from contracts.limits import Meter
from contracts.store.job_writer import MAX_SUBMITS, Submit
from contracts.store.keys import PREFIX, flow_key
from contracts.store.queues.admission import Admission
from tests.redis.builders import NO_LIMITS, QUEUE, TENANT, active, new_job, num_messages, snapshot, waiting
from tests.support.job_store import JobStore

RATES = Admission(lane_rate=1.0, capacity=1.0, capacity_of_one=1.0)


def ends(store: JobStore, jobs: Sequence[NewJob], admission: Admission = NO_LIMITS) -> list[str]:
    """Submit jobs in one call; return for each its id, or the name of its error."""
    found = []
    for reply in store.submit_all([Submit(job, admission) for job in jobs]):
        try:
            found.append(reply.accepted().job_id)
        except (TriptychError, redis.RedisError) as error:
            found.append(type(error).__name__)
    return found


def test_each_job_of_a_call_is_written_and_they_wait_in_their_order(store: JobStore) -> None:
    jobs = [new_job(price_s=0.5) for _ in range(MAX_SUBMITS)]
    replies = store.submit_all([Submit(job, NO_LIMITS) for job in jobs])
    places = [reply.accepted().place for reply in replies]
    assert [(place.position, place.work_ahead_s) for place in places if place] == [
        (number, 0.5 * number) for number in range(MAX_SUBMITS)
    ]
    assert waiting(store) == [job.id for job in jobs]
    assert active(store) == {TENANT: MAX_SUBMITS} and num_messages(store) == 2
    assert [store.place(store.read(job.id, TENANT)) for job in jobs] == places


@pytest.mark.parametrize("at", [2_000_000_000.0, 2_100_000_000.0])
def test_jobs_of_one_call_have_times_of_their_own(store: JobStore, at: float) -> None:
    """Times are doubles, without exact microseconds. Jobs of equal times would wait in the order of their ids."""
    store.client.set(f"{PREFIX}reaped_at", f"{at:.6f}")  # where the store's time stands until a reaper corrects it
    jobs = [new_job() for _ in range(MAX_SUBMITS)]
    ends(store, jobs)
    waits = store.client.zrange(flow_key(QUEUE, "default", TENANT), 0, -1, withscores=True)
    assert [(member.decode(), f"{queued_at:.6f}") for member, queued_at in waits] == [
        (job.id, f"{at + number / 1e6:.6f}") for number, job in enumerate(jobs)
    ]


def test_tenants_who_come_in_one_call_are_served_in_their_order(store: JobStore) -> None:
    jobs = [new_job(tenant=f"t{number * 7 % MAX_SUBMITS}") for number in range(MAX_SUBMITS)]
    ends(store, jobs)
    assert [claim.id for claim in store.turn("w1", sources=[QUEUE], max_jobs=MAX_SUBMITS).claims] == [
        job.id for job in jobs
    ]


def test_a_call_that_is_sent_again_changes_nothing(store: JobStore) -> None:
    jobs = [new_job(price_s=0.5) for _ in range(3)]
    first = ends(store, jobs)
    before = snapshot(store)
    assert ends(store, jobs) == first == [job.id for job in jobs]
    assert snapshot(store) == before


def test_the_same_job_twice_in_a_call_is_one(store: JobStore) -> None:
    job = new_job()
    assert ends(store, [job, job]) == [job.id, job.id]
    assert waiting(store) == [job.id] and active(store) == {TENANT: 1}


def test_an_idempotency_key_twice_in_a_call_is_one_job(store: JobStore) -> None:
    keyed = {"idempotency_key": "k", "fingerprint": "f"}
    first, again, other = new_job(**keyed), new_job(**keyed), new_job(idempotency_key="k", fingerprint="g")
    assert ends(store, [first, again, other]) == [first.id, first.id, IdempotencyMismatch.__name__]
    assert waiting(store) == [first.id]


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (Admission(max_active=5), QuotaExceeded),
        (Admission(max_waiting=5), QueueFull),
        (Admission(max_bytes=5 * 1200), StorageQuotaExceeded),
        (Admission(meters=(Meter(f"requests:tenant:{TENANT}", 5, 1.0),)), None),
        (RATES, QueueFull),
    ],
)
def test_no_limit_is_exceeded_by_sending_jobs_together(
    store: JobStore, limits: Admission, error: type[TriptychError] | None
) -> None:
    """With 10 seconds until the deadline, and 1.8 work-seconds a job, five fit into nine tenths of it."""
    jobs = [new_job(price_s=1.8, deadline_s=10.0, request=b"x" * 100, metadata=b"{}") for _ in range(8)]
    name = error.__name__ if error else "RateLimited"
    assert ends(store, jobs, limits) == [*(job.id for job in jobs[:5]), name, name, name]
    assert waiting(store) == [job.id for job in jobs[:5]]
    assert active(store) == {TENANT: 5}


def test_each_reply_tells_what_is_used_after_its_own_job(store: JobStore) -> None:
    quotas = [1.0, 2.0, 3.0] * 4
    submits = [
        Submit(new_job(tenant=f"t{quota:g}"), Admission(meters=(Meter(f"requests:tenant:t{quota:g}", quota, 1.0),)))
        for quota in quotas
    ]
    used: dict[float, list[float]] = {1.0: [], 2.0: [], 3.0: []}
    for submit, reply in zip(submits, store.submit_all(submits), strict=True):
        (state,) = reply.meters or ()
        assert state.meter == submit.admission.meters[0]
        used[state.meter.quota].append(round(state.used))
    assert used == {1.0: [1, 1, 1, 1], 2.0: [1, 2, 2, 2], 3.0: [1, 2, 3, 3]}


def test_a_tenant_with_little_is_not_made_late_by_one_who_comes_in_the_same_call(store: JobStore) -> None:
    small = new_job(tenant="small", price_s=2.0, deadline_s=5.0)
    others = [new_job(tenant=f"t{number}", price_s=2.0, deadline_s=100.0) for number in range(4)]
    assert ends(store, [small, *others], RATES) == [small.id, others[0].id, *["QueueFull"] * 3]


def test_jobs_in_one_call_and_one_after_another_have_the_same_ends_and_places(store: JobStore) -> None:
    rates = structs.replace(RATES, max_active=4, max_waiting=25)
    kinds = [(f"t{number * number % 5}", LANES[number % 3], 0.3 + number % 4, 8.0 + number % 7) for number in range(40)]

    def outcomes(size: int) -> list[object]:
        store.client.flushdb()
        jobs = [
            Submit(new_job(tenant=tenant, lane=lane, price_s=price_s, deadline_s=deadline_s), rates)
            for tenant, lane, price_s, deadline_s in kinds
        ]
        found: list[object] = []
        for start in range(0, len(jobs), size):
            for reply in store.submit_all(jobs[start : start + size]):
                try:
                    place = reply.accepted().place
                    found.append(place and [round(value, 6) for value in (place.position, place.work_ahead_s or 0.0)])
                except TriptychError as error:
                    found.append(type(error).__name__)
        return found

    one_by_one = outcomes(1)
    assert {"QueueFull", "QuotaExceeded"} <= {end for end in one_by_one if isinstance(end, str)}
    assert outcomes(7) == outcomes(MAX_SUBMITS) == one_by_one


def test_what_is_stored_for_one_fails_no_other(store: JobStore) -> None:
    store.client.set(f"{PREFIX}idem:{TENANT}:k", "somebody else's")
    first, broken, last = new_job(), new_job(idempotency_key="k", fingerprint="f"), new_job(tenant="other")
    assert ends(store, [first, broken, last]) == [first.id, redis.ResponseError.__name__, last.id]
    assert waiting(store) == [first.id, last.id]


def test_a_full_store_refuses_all_and_keeps_nothing(store: JobStore) -> None:
    ends(store, [new_job()])
    before = snapshot(store)
    store.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            ends(store, [new_job(), new_job()])
    finally:
        store.client.config_set("maxmemory", 0)
    assert snapshot(store) == before
