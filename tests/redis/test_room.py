"""A worker claims only what it has room for. Other jobs stay in their queue as they are."""

import pytest

from contracts.store.attempt_store import DoesNotFit, Room
from tests.redis.builders import QUEUE, TENANT, messages, pass_deadline, status, submit
from tests.support.job_store import JobStore

LARGE = b'{"inputs":["' + b"a" * 1000 + b'","b"]}'


def room(num_bytes: int) -> Room:
    return Room(num_bytes, per_request_byte=10, per_input=100)


NEEDED = len(LARGE) * 10 + 2 * 100


def large(store: JobStore) -> str:
    return submit(store, request=LARGE, num_inputs=2)


def test_a_job_that_does_not_fit_stays_queued(store: JobStore) -> None:
    job_id = large(store)
    with pytest.raises(DoesNotFit) as caught:
        store.claim(job_id, "w1", room(NEEDED - 1))
    assert (caught.value.job_id, caught.value.num_bytes) == (job_id, NEEDED)
    job = store.read(job_id, TENANT)
    assert (job.status, job.attempt) == ("queued", 0) and messages(store) == [job_id]
    taken = store.claim(job_id, "w1", room(NEEDED))
    assert taken is not None and taken.request == LARGE


def test_claim_next_takes_the_oldest_job_that_fits(store: JobStore) -> None:
    first, second, small = large(store), large(store), submit(store)
    taken = store.claim_next(QUEUE, "w1", room(NEEDED - 1))
    assert taken is not None and taken.id == small
    with pytest.raises(DoesNotFit) as caught:
        store.claim_next(QUEUE, "w1", room(NEEDED - 1))
    assert (caught.value.job_id, caught.value.num_bytes) == (first, NEEDED)
    taken = store.claim_next(QUEUE, "w1", room(NEEDED))
    assert taken is not None and taken.id == first
    assert status(store, second) == "queued"


def test_claim_next_passes_by_any_number_of_expired_jobs(store: JobStore) -> None:
    late = [large(store) for _ in range(40)]
    pass_deadline(store, *late)
    assert store.claim_next(QUEUE, "w1", room(NEEDED)) is None
    late = [large(store) for _ in range(20)]
    small = submit(store)
    pass_deadline(store, *late)
    taken = store.claim_next(QUEUE, "w1", room(NEEDED - 1))
    assert taken is not None and taken.id == small


def test_without_a_limit_every_job_is_claimed(store: JobStore) -> None:
    assert store.claim(large(store), "w1") is not None
    large(store)
    assert store.claim_next(QUEUE, "w1") is not None
