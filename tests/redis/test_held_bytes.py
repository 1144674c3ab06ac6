"""Step 2: what a tenant may hold in the store. The limit is exact at its edge, and a refused request leaves nothing."""

import pytest

from contracts.errors import (
    StorageQuotaExceeded,
)
from contracts.jobs import Answer
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from tests.redis.builders import ANSWER, TENANT, all_at_once, claim, claimed, new_job, snapshot, submit
from tests.support.job_store import JobStore

RECORD_BYTES = 1024 + len(new_job().metadata)
"""Of a record of the tests."""


def held(store: JobStore, tenant: str = TENANT) -> int:
    """Return the bytes that a tenant holds."""
    return int(store.client.hget(f"{PREFIX}held", tenant) or 0)


def test_bytes_are_refused_beyond_the_limit_and_not_at_it(store: JobStore) -> None:
    limits = Admission(max_bytes=2 * (RECORD_BYTES + 100))
    for _ in range(2):
        store.submit(new_job(request=b"x" * 100), limits)
    before = snapshot(store)
    with pytest.raises(StorageQuotaExceeded, match=rf"max_bytes is {limits.max_bytes} .*TRIPTYCH_TENANT_MAX_BYTES"):
        store.submit(new_job(request=b""), limits)
    assert snapshot(store) == before
    store.submit(new_job(tenant="other", request=b"x" * 100), limits)
    with pytest.raises(StorageQuotaExceeded):
        store.submit(new_job(tenant="other", request=b"x" * 101), limits)


def test_a_job_holds_its_request_then_its_result_then_nothing(store: JobStore) -> None:
    answer = Answer(output=b"7" * 300, usage=b"{}", timings=b"{}", model_revision="r")
    job_id = submit(store, request=b"x" * 5000)
    assert held(store) == RECORD_BYTES + 5000
    store.succeed(claim(store, job_id), answer)
    assert held(store) == RECORD_BYTES + 300
    store.mark_delivered([job_id], 300.0)
    store.mark_delivered([job_id], 300.0)
    assert held(store) == 0
    store.delete(job_id, TENANT)
    assert held(store) == 0 and not store.client.exists(f"{PREFIX}held")


def test_metadata_count_as_long_as_the_record_lives(store: JobStore) -> None:
    """Else a tenant could fill the store with small jobs."""
    metadata = b'{"a":"' + b"m" * 3000 + b'"}'
    rest = 1024 + len(metadata)
    limits = Admission(max_bytes=rest + 100)
    accepted = store.submit(new_job(request=b"x" * 100, metadata=metadata, keep=True), limits)
    assert held(store) == limits.max_bytes
    with pytest.raises(StorageQuotaExceeded):
        store.submit(new_job(tenant="other", request=b"x" * 101, metadata=metadata), limits)
    answer = Answer(output=b"7" * 300, usage=b"{}", timings=b"{}", model_revision="r")
    store.succeed(claim(store, accepted.job_id), answer)
    assert held(store) == rest + 300
    (counts,) = store.client.hvals(f"{PREFIX}ledger")
    assert [int(value) for value in counts.split()[8:10]] == [100, 300], "metadata are no input"
    store.delete(accepted.job_id, TENANT)
    assert held(store) == 0


def test_a_result_that_its_tenant_wants_to_keep_counts_until_it_is_deleted(store: JobStore) -> None:
    taken = claimed(store, keep=True)
    store.succeed(taken, ANSWER)
    store.mark_delivered([taken.id], 300.0)
    assert held(store) == RECORD_BYTES + len(ANSWER.output)
    store.delete(taken.id, TENANT)
    assert held(store) == 0


def test_jobs_end_above_the_limit_and_new_ones_are_refused(store: JobStore) -> None:
    limits = Admission(max_bytes=RECORD_BYTES + 400)
    store.submit(new_job(request=b"x"), limits)
    large = Answer(output=b"7" * 500, usage=b"{}", timings=b"{}", model_revision="r")
    (taken,) = store.turn("w1", sources=["triptych.minilm"]).claims
    assert store.succeed(taken, large)
    assert held(store) == RECORD_BYTES + 500
    with pytest.raises(StorageQuotaExceeded):
        store.submit(new_job(request=b""), limits)
    store.mark_delivered([taken.id], 300.0)
    store.submit(new_job(request=b""), limits)


def test_of_many_requests_at_once_as_many_are_accepted_as_have_room(store: JobStore) -> None:
    limits = Admission(max_bytes=10 * (RECORD_BYTES + 50))

    def try_one(_: int) -> bool:
        try:
            store.submit(new_job(request=b"x" * 50), limits)
        except StorageQuotaExceeded:
            return False
        return True

    assert sum(all_at_once(24, try_one)) == 10
    assert held(store) == limits.max_bytes


def test_a_record_that_breaks_holds_nothing_any_more(store: JobStore) -> None:
    job_id = submit(store)
    store.client.hset(f"{PREFIX}job:{job_id}", "status", "resting")
    store.client.zadd(f"{PREFIX}due", {job_id: 0})
    store.reap()
    store.reap()
    assert held(store) == 0


def test_a_tenant_without_jobs_holds_nothing_whatever_an_older_version_did_not_count(store: JobStore) -> None:
    """While gateways and workers are replaced, scripts of both versions end and forget jobs."""
    forgotten, other = submit(store), submit(store, tenant="other")
    store.client.delete(f"{PREFIX}job:{forgotten}")
    store.client.zrem(f"{PREFIX}jobs:{TENANT}", forgotten)
    kept, last = submit(store), submit(store)
    store.delete(last, TENANT)
    assert held(store) > RECORD_BYTES
    store.delete(kept, TENANT)
    assert held(store) == 0 and held(store, "other") > 0
    store.delete(other, "other")
    assert not store.client.exists(f"{PREFIX}held")
