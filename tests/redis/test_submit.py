"""Step 2: an accepted job is written completely, and a refused one leaves nothing."""

import pytest
import redis

from contracts.errors import QueueFull, QuotaExceeded
from contracts.jobs import newcomers_of, queue_of
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from contracts.store.queues.places import Place
from tests.redis.builders import (
    ANSWER,
    NO_LIMITS,
    TENANT,
    active,
    claim,
    claimed,
    field,
    new_job,
    num_messages,
    status,
    submit,
    waiting,
)
from tests.support.job_store import JobStore


def test_an_accepted_job_has_a_record_an_entry_in_due_and_a_message(store: JobStore) -> None:
    job = new_job(num_inputs=7, deadline_s=60.0)
    assert store.submit(job, NO_LIMITS)[:2] == (job.id, False)

    read = store.read(job.id, TENANT)
    assert (read.status, read.attempt, read.crashes, read.version) == ("queued", 0, 0, 1)
    assert (read.task, read.model, read.metadata) == (job.task, job.model, job.metadata)
    assert (read.progress_done, read.progress_total) == (0, 7)
    assert read.deadline_at - read.created_at == pytest.approx(60.0, abs=1e-3)
    assert read.output is None and read.error is None and not read.finished
    assert waiting(store) == [job.id] and num_messages(store) == 1
    assert store.num_live() == 1
    assert store.place(read) == Place(0, 0.0)


def test_a_waiting_job_is_looked_at_when_its_deadline_is_over_and_not_before(store: JobStore) -> None:
    job_id = submit(store, deadline_s=80_000.0)
    assert store.client.zscore(f"{PREFIX}due", job_id) == pytest.approx(
        store.read(job_id, TENANT).deadline_at, abs=1e-3
    )


def test_submitting_twice_with_one_id_is_submitting_once(store: JobStore) -> None:
    job = new_job()
    assert store.submit(job, NO_LIMITS)[:2] == store.submit(job, NO_LIMITS)[:2] == (job.id, False)
    assert waiting(store) == [job.id] and num_messages(store) == 1
    assert active(store) == {TENANT: 1}
    assert store.read(job.id, TENANT).version == 1


def test_a_late_second_submit_does_not_bring_an_ended_job_back(store: JobStore) -> None:
    job = new_job()
    store.submit(job, NO_LIMITS)
    store.succeed(claim(store, job.id), ANSWER)
    assert store.submit(job, NO_LIMITS)[:2] == (job.id, False)
    assert status(store, job.id) == "succeeded"
    assert active(store) == {}


def test_a_full_queue_refuses_and_leaves_nothing(store: JobStore) -> None:
    limits = Admission(max_waiting=2)
    for _ in range(2):
        store.submit(new_job(), limits)
    before = sorted(store.client.keys())
    with pytest.raises(QueueFull, match="minilm"):
        store.submit(new_job(idempotency_key="k", fingerprint="f"), limits)
    assert sorted(store.client.keys()) == before
    store.submit(new_job(model="another"), limits)


def test_a_claimed_job_makes_room_in_its_queue(store: JobStore) -> None:
    limits = Admission(max_waiting=1)
    job = new_job()
    store.submit(job, limits)
    claim(store, job.id)
    store.submit(new_job(), limits)


def test_a_tenant_over_its_quota_is_refused_until_a_job_ends(store: JobStore) -> None:
    limits = Admission(max_active=1)
    first = claimed(store)
    with pytest.raises(QuotaExceeded, match=r"max_active is 1 .set by TRIPTYCH_MAX_ACTIVE\)"):
        store.submit(new_job(), limits)
    own = Admission(max_active=1, own_limits={"max_active"})
    with pytest.raises(QuotaExceeded, match=rf"max_active is 1 .set by 'keys limits --tenant {TENANT}'\)"):
        store.submit(new_job(), own)
    store.submit(new_job(tenant="other"), limits)
    store.succeed(first, ANSWER)
    store.submit(new_job(), limits)


def test_empty_and_binary_fields_come_back_as_they_went_in(store: JobStore) -> None:
    request = bytes(range(256))
    taken = claimed(store, request=request, metadata=b"")
    assert taken.request == request
    assert store.read(taken.id, TENANT).metadata == b""


@pytest.mark.parametrize("job_id", ["-" * 22, "_" * 22, "-1--_AAAAAAAAAAAAAAAAA"])
def test_ids_without_letters_can_be_claimed(store: JobStore, job_id: str) -> None:
    submit(store, id=job_id)
    (taken,) = store.turn("w1", sources=[job_id]).claims
    store.succeed(taken, ANSWER)
    assert status(store, job_id) == "succeeded"


def test_a_record_has_only_fields_that_say_something(store: JobStore) -> None:
    """Each field takes memory in each of millions of records."""
    job_id = submit(store, metadata=b"{}")
    names = {name.decode() for name in store.client.hkeys(f"{PREFIX}job:{job_id}")}
    fixed = {"tenant", "task", "model", "request", "timeout_s", "ttl_s", "created_at", "deadline_at", "held", "price_s"}
    assert names == {"status", *fixed}
    store.succeed(claim(store, job_id), ANSWER)
    names = {name.decode() for name in store.client.hkeys(f"{PREFIX}job:{job_id}")}
    kept = fixed - {"request", "timeout_s"}
    ended = {"completed_at", "output", "usage", "timings", "model_revision"}
    assert names == {"status", "version", "attempt", "worker", "started_at", *kept, *ended}
    job = store.read(job_id, TENANT)
    assert (job.metadata, job.progress_total, job.progress_done, job.crashes) == (b"{}", 1, 1, 0)
    assert field(store, job_id, "version") == str(job.version) == "3"


def test_names_of_models_survive_the_message(store: JobStore) -> None:
    name = "a.b-c_d.v1.5"
    submit(store, model=name)
    submit(store, model=name)
    for queue in (newcomers_of(queue_of(name)), queue_of(name)):
        assert f'"routing_key":"{queue}"'.encode() in store.client.lindex(queue, 0)


def test_full_memory_refuses_new_jobs_and_nothing_else(store: JobStore) -> None:
    """Accepted jobs keep their leases and reach their ends, or their workers would be blamed for the full memory."""
    running, queued = claimed(store), submit(store)
    before = sorted(store.client.keys())
    store.client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            submit(store, idempotency_key="k", fingerprint="f")
        assert sorted(store.client.keys()) == before
        assert active(store) == {TENANT: 2}
        assert store.renew_leases([(running.id, running.attempt)]) == set()
        store.progress([(running, 1, 1)])
        assert store.succeed(running, ANSWER)
        second = claim(store, queued)
        store.release([second])
        store.cancel(queued, TENANT)
        assert status(store, queued) == "cancelled"
        store.delete(queued, TENANT)
        assert store.reap()[0] == 0
    finally:
        store.client.config_set("maxmemory", "0")
    assert status(store, running.id) == "succeeded"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"price_s": value} for value in (float("nan"), float("inf"), -5.0, 1e12)),
        *({"weight": value} for value in (float("nan"), float("inf"), 0.0, -1.0)),
        {"least_s": float("nan")},
    ],
    ids=str,
)
def test_a_price_or_weight_that_can_not_be_is_a_fault_of_the_caller(store: JobStore, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="can't have"):
        store.submit(new_job(**wrong), NO_LIMITS)
    assert store.client.keys(f"{PREFIX}*") == []
    assert claimed(store, price_s=1e9, weight=1e6)
