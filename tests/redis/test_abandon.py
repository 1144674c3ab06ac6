"""A worker that died gives its jobs back at once, and blames those whose rows were in the model call."""

from tests.redis.builders import TENANT, claimed, status, submit
from tests.support.job_store import JobStore


def test_the_jobs_of_the_call_are_blamed_and_the_others_are_not(store: JobStore) -> None:
    culprit, innocent = claimed(store), claimed(store)
    store.abandon("w1", [(culprit.id, culprit.attempt, True, False), (innocent.id, innocent.attempt, False, False)])
    blamed, other = store.read(culprit.id, TENANT), store.read(innocent.id, TENANT)
    assert (blamed.status, blamed.crashes, other.status, other.crashes) == ("queued", 1, "queued", 0)
    again, once_more = store.claim(culprit.id, "w2"), store.claim(innocent.id, "w2")
    assert again is not None and again.suspect
    assert once_more is not None and not once_more.suspect


def test_without_a_call_every_job_is_blamed(store: JobStore) -> None:
    claims = [claimed(store) for _ in range(3)]
    store.abandon("w1", [(claim.id, claim.attempt, False, False) for claim in claims])
    assert [store.read(claim.id, TENANT).crashes for claim in claims] == [1, 1, 1]


def test_without_a_call_only_the_suspect_is_blamed(store: JobStore) -> None:
    first = claimed(store)
    store.abandon("w1", [(first.id, first.attempt, True, False)])
    suspect, innocent = store.claim(first.id, "w2"), claimed(store, "w2")
    assert suspect is not None
    store.abandon("w2", [(innocent.id, innocent.attempt, False, False), (suspect.id, suspect.attempt, False, False)])
    assert store.read(suspect.id, TENANT).crashes == 2
    assert store.read(innocent.id, TENANT).crashes == 0


def test_a_job_of_the_call_is_blamed_even_while_a_suspect_is_held(store: JobStore) -> None:
    first = claimed(store)
    store.abandon("w1", [(first.id, first.attempt, True, False)])
    suspect, culprit = store.claim(first.id, "w2"), claimed(store, "w2")
    assert suspect is not None
    store.abandon("w2", [(culprit.id, culprit.attempt, True, False), (suspect.id, suspect.attempt, False, False)])
    assert (store.read(suspect.id, TENANT).crashes, store.read(culprit.id, TENANT).crashes) == (1, 1)


def test_the_third_crash_is_the_last(store: JobStore) -> None:
    job_id = submit(store)
    for number in range(3):
        claim = store.claim(job_id, f"w{number}")
        assert claim is not None
        store.abandon(f"w{number}", [(claim.id, claim.attempt, True, False)])
    job = store.read(job_id, TENANT)
    assert job.status == "failed" and job.error is not None and job.error.code == "worker_lost"


def test_what_is_no_longer_the_attempts_is_left_alone(store: JobStore) -> None:
    released, cancelled, late = claimed(store), claimed(store), claimed(store)
    store.release(released)
    store.cancel(cancelled.id, TENANT)
    store.release(late)
    claimed_again = store.claim(late.id, "w2")
    store.abandon("w1", [(claim.id, claim.attempt, True, False) for claim in (released, cancelled, late)])
    assert status(store, released.id) == "queued" and store.read(released.id, TENANT).crashes == 0
    assert status(store, cancelled.id) == "cancelled"
    assert status(store, late.id) == "running" and claimed_again is not None


def test_called_again_after_a_lost_reply_it_does_nothing(store: JobStore) -> None:
    claim = claimed(store)
    for _ in range(2):
        store.abandon("w1", [(claim.id, claim.attempt, True, False)])
    job = store.read(claim.id, TENANT)
    assert (job.status, job.crashes) == ("queued", 1)


def test_jobs_that_were_prepared_beside_a_call_become_suspects_without_a_crash(store: JobStore) -> None:
    in_call, preparing, waiting = claimed(store), claimed(store), claimed(store)
    attempts = [(in_call, True, False), (preparing, False, True), (waiting, False, False)]
    store.abandon("w1", [(claim.id, claim.attempt, *flags) for claim, *flags in attempts])
    jobs = [store.read(claim.id, TENANT) for claim, *_ in attempts]
    assert [job.crashes for job in jobs] == [1, 0, 0]
    again = [store.claim(claim.id, f"w{number}") for number, (claim, *_) in enumerate(attempts)]
    assert [claim.suspect for claim in again if claim] == [True, True, False]


def test_a_suspect_that_was_being_prepared_is_blamed_even_while_a_call_ran(store: JobStore) -> None:
    """Its tokenizer may be what ended the worker: without this it would never reach its last crash."""
    first = claimed(store)
    store.abandon("w1", [(first.id, first.attempt, True, False)])
    suspect, in_call = store.claim(first.id, "w2"), claimed(store, "w2")
    assert suspect is not None
    attempts = [(in_call.id, in_call.attempt, True, False), (suspect.id, suspect.attempt, False, True)]
    store.abandon("w2", attempts)
    assert (store.read(suspect.id, TENANT).crashes, store.read(in_call.id, TENANT).crashes) == (2, 1)


def test_without_a_call_the_jobs_that_were_being_prepared_are_blamed(store: JobStore) -> None:
    preparing, waiting = claimed(store), claimed(store)
    store.abandon("w1", [(preparing.id, preparing.attempt, False, True), (waiting.id, waiting.attempt, False, False)])
    assert (store.read(preparing.id, TENANT).crashes, store.read(waiting.id, TENANT).crashes) == (1, 0)
