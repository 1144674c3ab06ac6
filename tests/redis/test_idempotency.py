"""An idempotency key stands for one request: sent again it gets the same job, as long as there is one."""

import pytest

from contracts.errors import IdempotencyMismatch, QuotaExceeded
from contracts.store.job_writer import IDEMPOTENCY_TTL_S
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from tests.redis.builders import (
    ANSWER,
    NO_LIMITS,
    TENANT,
    all_at_once,
    claim,
    new_job,
    num_messages,
    pass_deadline,
    status,
    submit,
    waiting,
)
from tests.support.job_store import JobStore

KEY = {"idempotency_key": "k", "fingerprint": "f"}


def forget(store: JobStore, job_id: str) -> None:
    """Let the time of an answer be over."""
    store.client.zadd(f"{PREFIX}expiring", {job_id: 0}, xx=True)
    store.reap()
    assert not store.client.exists(f"{PREFIX}job:{job_id}")


def remembered(store: JobStore) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in store.client.hgetall(f"{PREFIX}idem:{TENANT}:k").items()}


def test_the_same_key_and_request_get_the_first_job(store: JobStore) -> None:
    first = submit(store, **KEY)
    assert store.submit(new_job(**KEY), NO_LIMITS)[:2] == (first, True)
    assert waiting(store) == [first] and num_messages(store) == 1
    store.succeed(claim(store, first), ANSWER)
    assert store.submit(new_job(**KEY), NO_LIMITS)[:2] == (first, True)


def test_the_same_key_with_another_request_is_refused_and_writes_nothing(store: JobStore) -> None:
    submit(store, **KEY)
    before = sorted(store.client.keys())
    with pytest.raises(IdempotencyMismatch, match="another request"):
        submit(store, idempotency_key="k", fingerprint="g")
    assert sorted(store.client.keys()) == before


def test_keys_of_two_tenants_are_separate(store: JobStore) -> None:
    first = submit(store, **KEY)
    second = submit(store, tenant="other", idempotency_key="k", fingerprint="g")
    assert first != second


def test_a_replayed_job_is_returned_even_when_nothing_more_is_admitted(store: JobStore) -> None:
    first = submit(store, **KEY)
    limits = Admission(max_waiting=0, max_active=0, max_idempotency_keys=0)
    assert store.submit(new_job(**KEY), limits)[:2] == (first, True)


def test_fifty_threads_with_one_key_make_one_job(store: JobStore) -> None:
    for round_ in range(4):
        key = f"key-{round_}"
        replies = all_at_once(
            50, lambda _, key=key: store.submit(new_job(idempotency_key=key, fingerprint="f"), NO_LIMITS)
        )
        assert len({accepted.job_id for accepted in replies}) == 1
        assert [accepted.replayed for accepted in replies].count(False) == 1
    assert store.num_live() == 4


@pytest.mark.parametrize("gone", ["purged", "deleted"])
def test_once_the_job_is_gone_the_same_request_runs_anew_and_another_is_still_refused(
    store: JobStore, gone: str
) -> None:
    first = submit(store, **KEY)
    if gone == "deleted":
        store.delete(first, TENANT)
    else:
        store.succeed(claim(store, first), ANSWER)
        forget(store, first)
    with pytest.raises(IdempotencyMismatch):
        submit(store, idempotency_key="k", fingerprint="g")
    again = new_job(**KEY)
    assert store.submit(again, NO_LIMITS)[:2] == (again.id, False)
    assert store.submit(new_job(**KEY), NO_LIMITS)[:2] == (again.id, True)
    assert status(store, again.id) == "queued"


@pytest.mark.parametrize("end", ["succeeded", "cancelled", "expired"])
def test_the_key_knows_how_its_job_has_ended(store: JobStore, end: str) -> None:
    job_id = submit(store, **KEY)
    assert remembered(store) == {"id": job_id, "fingerprint": "f"}
    if end == "succeeded":
        store.succeed(claim(store, job_id), ANSWER)
    elif end == "cancelled":
        store.cancel(job_id, TENANT)
    else:
        pass_deadline(store, job_id)
        store.reap()
    assert remembered(store)["status"] == end
    forget(store, job_id)
    submit(store, **KEY)
    assert "status" not in remembered(store), "the new job has not ended"


def test_a_tenant_has_a_limited_number_of_keys(store: JobStore) -> None:
    limits = Admission(max_idempotency_keys=3)
    for number in range(3):
        store.submit(new_job(idempotency_key=f"k{number}", fingerprint="f"), limits)
    before = sorted(store.client.keys())
    with pytest.raises(QuotaExceeded, match="Idempotency-Keys"):
        store.submit(new_job(**KEY), limits)
    assert sorted(store.client.keys()) == before
    store.submit(new_job(), limits)
    store.submit(new_job(tenant="other", **KEY), limits)
    assert store.submit(new_job(idempotency_key="k1", fingerprint="f"), limits).replayed


def test_keys_older_than_a_day_make_room(store: JobStore) -> None:
    limits = Admission(max_idempotency_keys=50)
    for number in range(50):
        store.submit(new_job(idempotency_key=f"k{number}", fingerprint="f"), limits)
    index = f"{PREFIX}idems:{TENANT}"
    for member in store.client.zrange(index, 0, -1):
        store.client.zincrby(index, -IDEMPOTENCY_TTL_S, member)
    for number in range(50, 55):
        store.submit(new_job(idempotency_key=f"k{number}", fingerprint="f"), limits)
    assert store.client.zcard(index) == 5, "old ones are removed a few at a time"


def test_every_key_goes_by_itself_also_if_its_job_ends_later(store: JobStore) -> None:
    job_id = submit(store, **KEY)
    for key in (f"idem:{TENANT}:k", f"idems:{TENANT}"):
        assert 0 < store.client.ttl(PREFIX + key) <= IDEMPOTENCY_TTL_S
    store.client.delete(f"{PREFIX}idem:{TENANT}:k")  # its time is over
    store.succeed(claim(store, job_id), ANSWER)
    assert not store.client.exists(f"{PREFIX}idem:{TENANT}:k")
