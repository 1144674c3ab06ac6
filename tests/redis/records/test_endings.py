"""Cancelling, deleting and expiry, in every state of a job."""

import pytest
import redis

from contracts.errors import JobGone, JobNotFound, TriptychError
from contracts.jobs import STATUSES, TERMINAL
from contracts.store.clock import store_time
from contracts.store.keys import PREFIX
from tests.redis.builders import (
    ANSWER,
    TENANT,
    active,
    claim,
    come_due,
    pass_deadline,
    status,
    submit,
    waiting,
)
from tests.support.job_store import JobStore
from tests.support.store_time import let_pass
from tests.support.waiting import wait_until


def job_in(store: JobStore, state: str) -> str:
    """Return the id of a new job that is in a state."""
    job_id = bring_into(store, state)
    assert status(store, job_id) == state
    return job_id


def bring_into(store: JobStore, state: str, **changes: object) -> str:
    """Bring a new job into a state, and return its id."""
    job_id = submit(store, **changes)
    if state == "expired":
        pass_deadline(store, job_id)
        store.reap()
    elif state == "cancelled":
        store.cancel(job_id, TENANT)
    elif state != "queued":
        taken = claim(store, job_id)
        if state == "cancelling":
            store.cancel(job_id, TENANT)
        elif state == "succeeded":
            store.succeed(taken, ANSWER)
        elif state == "failed":
            store.fail(taken, TriptychError())
    return job_id


def test_a_delivered_answer_stays_if_the_clock_was_ahead_when_its_job_ended(store: JobStore) -> None:
    """By twenty minutes: what was left of its time was less than nothing, and the record was taken for broken."""
    job_id = job_in(store, "succeeded")
    store.client.hset(f"{PREFIX}job:{job_id}", "completed_at", f"{store_time(store.client) + 1200:.6f}")
    for _ in range(2):  # whoever delivers it next reads what the first one has written
        store.mark_delivered([job_id], 300.0)
    assert status(store, job_id) == "succeeded"
    assert not store.client.exists(f"{PREFIX}broken")
    # As any other, it goes when its time is over, or before if the store needs the room.
    assert store.client.zscore(f"{PREFIX}delivered", job_id)
    let_pass(store.client, 1300)
    store.reap()
    with pytest.raises(JobGone):
        store.read(job_id, TENANT)


@pytest.mark.parametrize("state", STATUSES)
def test_cancelling_twice_is_the_same_as_cancelling_once(store: JobStore, state: str) -> None:
    job_id = job_in(store, state)
    after = {"queued": "cancelled", "running": "cancelling"}.get(state, state)
    store.cancel(job_id, TENANT)
    first = store.read(job_id, TENANT)
    assert first.status == after
    store.cancel(job_id, TENANT)
    assert store.read(job_id, TENANT) == first
    assert active(store) == ({} if after in TERMINAL else {TENANT: 1})


def test_a_cancelled_queued_job_is_never_claimed(store: JobStore) -> None:
    job_id = job_in(store, "cancelled")
    assert waiting(store) == []
    assert store.claim(job_id, "w1") is None
    assert store.read(job_id, TENANT).attempt == 0


@pytest.mark.parametrize("ending", ["succeed", "fail", "confirm_cancel"])
def test_a_cancelling_job_ends_cancelled_whatever_result_its_worker_has(store: JobStore, ending: str) -> None:
    job_id = submit(store)
    taken = claim(store, job_id)
    store.cancel(job_id, TENANT)
    assert {
        "succeed": lambda: store.succeed(taken, ANSWER),
        "fail": lambda: store.fail(taken, TriptychError()),
        "confirm_cancel": lambda: store.confirm_cancel(taken),
    }[ending]()
    job = store.read(job_id, TENANT)
    assert (job.status, job.output, job.error) == ("cancelled", None, None)


def test_an_attempt_that_stops_without_a_cancel_does_not_end_the_job(store: JobStore) -> None:
    """A worker that leaves stops its attempts, and a thread may report that before the job is released."""
    job_id = submit(store)
    taken = claim(store, job_id)
    assert not store.confirm_cancel(taken)
    assert status(store, job_id) == "running"
    store.release([taken])
    assert status(store, job_id) == "queued"
    assert not store.confirm_cancel(taken)
    assert store.succeed(claim(store, job_id), ANSWER)


@pytest.mark.parametrize("state", STATUSES)
def test_a_deleted_job_is_gone_and_leaves_nothing_to_run(store: JobStore, state: str) -> None:
    job_id = job_in(store, state)
    store.delete(job_id, TENANT)
    with pytest.raises(JobGone):
        store.read(job_id, TENANT)
    for repeat in (store.delete, store.cancel):
        with pytest.raises(JobGone):
            repeat(job_id, TENANT)
    assert store.page(TENANT, status=None, task=None, after=None, limit=10) == ([], None)
    assert store.events(job_id, "0") == []
    assert (store.num_live(), active(store)) == (0, {})
    assert not store.client.exists("triptych:expiring"), "the deleted job still waits for its expiry"
    assert store.claim(job_id, "w1") is None


def test_a_deleted_running_attempt_is_fenced(store: JobStore) -> None:
    job_id = submit(store)
    taken = claim(store, job_id)
    store.delete(job_id, TENANT)
    store.progress([(taken, 1, 1)])
    assert store.renew_leases([(job_id, taken.attempt)]) == {job_id}
    assert not store.succeed(taken, ANSWER)
    assert not store.client.exists(f"triptych:job:{job_id}", f"triptych:events:{job_id}")


@pytest.mark.parametrize("state", ["queued", "succeeded", "deleted"])
def test_another_tenant_can_not_see_that_a_job_exists(store: JobStore, state: str) -> None:
    job_id = job_in(store, state if state != "deleted" else "queued")
    if state == "deleted":
        store.delete(job_id, TENANT)
    for call in (store.read, store.cancel, store.delete):
        with pytest.raises(JobNotFound):
            call(job_id, "other")
        with pytest.raises(JobNotFound):
            call("A" * 22, TENANT)
    if state != "deleted":
        assert status(store, job_id) == state


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "expired"])
def test_an_ended_job_is_kept_for_its_ttl_and_then_gone(store: JobStore, state: str) -> None:
    job_id = bring_into(store, state, ttl_s=0.3, followed=True)

    def gone() -> bool:
        store.reap()
        try:
            return store.read(job_id, TENANT) is None
        except JobGone:
            return True

    wait_until(gone, "the record did not expire")
    left = {key.decode() for key in store.client.scan_iter()} - {"triptych:turn:w1", "triptych:turn:by hand"}
    left = {key for key in left if not key.startswith("triptych:usage:")}
    assert left <= {f"{PREFIX}{name}" for name in ("finished", "served", "reaped_at", "queues", "usage_tenants")}
    with pytest.raises(JobNotFound):
        store.read(job_id, "other")


def test_no_record_goes_by_itself(client: redis.Redis, store: JobStore) -> None:
    """Keys' own TTLs follow the store's clock, which may step; only the reaper purges."""
    job_id = submit(store, ttl_s=0.001)
    taken = claim(store, job_id)
    assert client.ttl(f"triptych:job:{job_id}") == -1
    store.succeed(taken, ANSWER)
    assert client.ttl(f"triptych:job:{job_id}") == -1


def test_a_cancelling_job_whose_worker_died_ends_cancelled(store: JobStore) -> None:
    job_id = job_in(store, "cancelling")
    come_due(store, job_id)
    store.reap()
    assert status(store, job_id) == "cancelled"
    assert active(store) == {}
