"""Steps 4 to 7: a job has one owner at a time, and only the owner can change it."""

import time

import pytest

from contracts.errors import InvalidRequest, TriptychError
from contracts.jobs import Claim
from contracts.settings import StoreSettings
from contracts.store.attempt_store import MAX_JOBS
from contracts.store.keys import PREFIX
from tests.redis.builders import (
    ANSWER,
    QUEUE,
    TENANT,
    active,
    age,
    all_at_once,
    claim,
    claimed,
    come_due,
    field,
    pass_deadline,
    status,
    submit,
    waiting,
)
from tests.support.job_store import JobStore


def second_attempt(store: JobStore, first: Claim) -> Claim:
    """Let the lease of an attempt run out and start another one."""
    come_due(store, first.id)
    assert store.reap()[0] == 1
    return claim(store, first.id, "w2")


def test_a_claim_contains_the_job_and_the_record_names_its_worker(store: JobStore) -> None:
    job_id = submit(store, timeout_s=12.5)
    taken = claim(store, job_id)
    assert taken == Claim(
        id=job_id,
        attempt=1,
        task="embed",
        model="minilm",
        request=b'{"inputs":"hello"}',
        timeout_s=12.5,
        tenant=TENANT,
    )
    job = store.read(job_id, TENANT)
    assert (job.status, job.attempt, job.worker) == ("running", 1, "w1")
    assert job.started_at is not None and job.started_at >= job.created_at
    assert store.place(job) is None


def test_twenty_workers_take_twenty_jobs_once_each(store: JobStore) -> None:
    job_ids = [submit(store) for _ in range(20)]
    taken = all_at_once(20, lambda index: store.claim(QUEUE, f"w{index}"))
    assert sorted(claim.id for claim in taken if claim) == sorted(job_ids)
    assert waiting(store) == []


def test_twenty_workers_claim_a_job_once(store: JobStore) -> None:
    for _ in range(5):
        job_id = submit(store)
        claims = all_at_once(20, lambda index, job_id=job_id: store.claim(job_id, f"w{index}"))
        assert len([taken for taken in claims if taken]) == 1
        assert store.read(job_id, TENANT).attempt == 1


@pytest.mark.parametrize("ending", ["running", "succeeded", "cancelled", "deleted", "never there"])
def test_what_does_not_wait_can_not_be_claimed(store: JobStore, ending: str) -> None:
    job_id = submit(store) if ending != "never there" else "A" * 22
    if ending in {"running", "succeeded"}:
        taken = claim(store, job_id)
        if ending == "succeeded":
            store.succeed(taken, ANSWER)
    elif ending == "cancelled":
        store.cancel(job_id, TENANT)
    elif ending == "deleted":
        store.delete(job_id, TENANT)
    assert store.claim(job_id, "w2") is None


def test_a_job_past_its_deadline_is_not_claimed_and_expires(store: JobStore) -> None:
    job_id = submit(store)
    pass_deadline(store, job_id)
    assert store.claim(job_id, "w1") is store.claim(QUEUE, "w1") is None
    store.reap()
    job = store.read(job_id, TENANT)
    assert (job.status, job.attempt, job.started_at) == ("expired", 0, None)
    assert active(store) == {}


def test_a_heartbeat_renews_the_lease(store: JobStore) -> None:
    taken = claimed(store)
    come_due(store, taken.id)
    before = time.time()
    assert store.renew_leases([(taken.id, taken.attempt)]) == set()
    after = time.time()
    assert store.reap()[0] == 0
    due = store.client.zscore(f"{PREFIX}due", taken.id)
    assert before - 1 < due - store.lease_s < after + 1


def test_a_lease_never_outlasts_the_deadline(store: JobStore) -> None:
    store = JobStore(store.client, StoreSettings(lease_s=600.0))
    taken = claimed(store, deadline_s=300.0)
    store.renew_leases([(taken.id, taken.attempt)])
    assert store.client.zscore(f"{PREFIX}due", taken.id) == pytest.approx(
        store.read(taken.id, TENANT).deadline_at, abs=1e-3
    )


def test_a_heartbeat_returns_every_job_that_must_stop(store: JobStore) -> None:
    fine, cancelled, expired, deleted, fenced = (claimed(store) for _ in range(5))
    store.cancel(cancelled.id, TENANT)
    pass_deadline(store, expired.id)
    store.reap()
    store.delete(deleted.id, TENANT)
    second_attempt(store, fenced)
    held = [fine, cancelled, expired, deleted, fenced]
    assert store.renew_leases([(taken.id, taken.attempt) for taken in held]) == {taken.id for taken in held[1:]}


def test_a_heartbeat_may_be_for_a_thousand_jobs(store: JobStore) -> None:
    held = [claimed(store) for _ in range(1000)]
    assert store.renew_leases([(taken.id, taken.attempt) for taken in held]) == set()
    assert store.renew_leases([]) == set()


def test_a_heartbeat_never_makes_an_ended_job_due_again(store: JobStore) -> None:
    taken = claimed(store)
    store.succeed(taken, ANSWER)
    assert store.renew_leases([(taken.id, taken.attempt)]) == {taken.id}
    assert store.num_live() == 0


def test_progress_is_seen_and_each_change_is_a_new_version(store: JobStore) -> None:
    taken = claimed(store, num_inputs=2048)
    version = store.read(taken.id, TENANT).version
    store.progress([(taken, 32, 2048)])
    job = store.read(taken.id, TENANT)
    assert (job.progress_done, job.progress_total, job.version) == (32, 2048, version + 1)
    store.progress([(taken, 3, 4096)])
    assert store.read(taken.id, TENANT).progress_total == 4096, "texts were split into more parts"


def test_progress_of_a_fenced_attempt_is_not_recorded(store: JobStore) -> None:
    first = claimed(store, num_inputs=10)
    store.progress([(first, 9, 10)])
    second_attempt(store, first)
    store.progress([(first, 10, 10)])
    assert store.read(first.id, TENANT).progress_done == 0


def test_a_success_stores_the_answer_and_drops_the_request(store: JobStore) -> None:
    taken = claimed(store)
    assert store.succeed(taken, ANSWER)
    job = store.read(taken.id, TENANT)
    assert (job.status, job.output, job.usage, job.timings) == ("succeeded", ANSWER.output, ANSWER.usage, b"{}")
    assert (job.progress_done, job.model_revision, job.error) == (1, "r1", None)
    assert job.completed_at is not None and job.expires_at is not None
    assert job.expires_at - job.completed_at == pytest.approx(3600.0, abs=1e-3)
    assert field(store, taken.id, "request") is None
    assert (store.num_live(), active(store)) == (0, {})
    assert store.num_finished() == {("minilm", "succeeded"): 1}


def test_a_failure_keeps_its_code_text_and_field(store: JobStore) -> None:
    taken = claimed(store)
    assert store.fail(taken, InvalidRequest("Too long.", param="inputs[3]"))
    job = store.read(taken.id, TENANT)
    assert job.status == "failed" and job.error is not None and job.output is None
    assert (job.error.code, job.error.message, job.error.param) == ("invalid_request", "Too long.", "inputs[3]")
    assert job.error.retryable is False


def test_a_failure_whose_text_is_not_valid_unicode_still_ends_the_job(store: JobStore) -> None:
    taken = claimed(store)
    assert store.fail(taken, TriptychError("broken \ud800 text", param="\ud800"))
    error = store.read(taken.id, TENANT).error
    assert error is not None and error.message == "broken ? text"


def test_only_the_owning_attempt_can_end_a_job(store: JobStore) -> None:
    first = claimed(store)
    second = second_attempt(store, first)
    assert second.attempt == 2
    for ending in (
        lambda: store.succeed(first, ANSWER),
        lambda: store.fail(first, TriptychError()),
        lambda: store.confirm_cancel(first),
        lambda: store.release([first]),
    ):
        assert not ending()
        assert status(store, first.id) == "running"
    assert store.succeed(second, ANSWER)
    assert not store.succeed(first, ANSWER)


def test_a_worker_whose_lease_is_over_but_not_taken_may_still_finish(store: JobStore) -> None:
    taken = claimed(store)
    come_due(store, taken.id)
    assert store.succeed(taken, ANSWER)


def test_a_terminal_state_is_reached_once(store: JobStore) -> None:
    taken = claimed(store)
    store.succeed(taken, ANSWER)
    before = store.read(taken.id, TENANT)
    store.fail(taken, TriptychError())
    store.confirm_cancel(taken)
    store.release([taken])
    store.progress([(taken, 5, 5)])
    store.cancel(taken.id, TENANT)
    store.reap()
    assert store.read(taken.id, TENANT) == before
    assert store.num_finished() == {("minilm", "succeeded"): 1}


def test_a_finish_sent_again_after_a_lost_reply_gets_the_same_reply(store: JobStore) -> None:
    taken = claimed(store)
    assert store.succeed(taken, ANSWER)
    assert store.succeed(taken, ANSWER)
    assert store.num_finished() == {("minilm", "succeeded"): 1}


def test_of_many_attempts_that_finish_together_one_ends_the_job(store: JobStore) -> None:
    first = claimed(store)
    second = second_attempt(store, first)
    held = [first, second] * 5
    ended = all_at_once(10, lambda index: store.succeed(held[index], ANSWER))
    assert [yes for taken, yes in zip(held, ended, strict=True) if taken is first] == [False] * 5
    assert store.num_finished() == {("minilm", "succeeded"): 1}


def test_a_released_job_goes_back_to_its_place_without_blame(store: JobStore) -> None:
    taken, other = claimed(store), submit(store)
    store.release([taken])
    job = store.read(taken.id, TENANT)
    assert (job.status, job.attempt, job.crashes) == ("queued", 1, 0)
    assert waiting(store) == [taken.id, other]
    assert [store.place(store.read(job_id, TENANT)).position for job_id in (taken.id, other)] == [0, 1]
    again = claim(store, taken.id, "w2")
    assert (again.attempt, again.group) == (2, "")


def test_a_release_sent_again_does_nothing(store: JobStore) -> None:
    taken, other = claimed(store), submit(store)
    for _ in range(2):
        store.release([taken])
        age(store, taken.id, -1)
    assert waiting(store) == [other, taken.id], "the second release has moved the job"


def test_a_worker_that_leaves_releases_any_number_of_jobs(store: JobStore) -> None:
    for _ in range(200):
        submit(store)
    held = [taken for _ in range(13) for taken in store.turn("w1", sources=[QUEUE], max_jobs=MAX_JOBS).claims]
    store.release(held)
    assert len(held) == len(waiting(store)) == 200


def test_a_release_of_a_job_that_is_being_cancelled_ends_it(store: JobStore) -> None:
    taken = claimed(store)
    store.cancel(taken.id, TENANT)
    store.release([taken])
    assert status(store, taken.id) == "cancelled"


def test_a_released_attempt_has_lost_its_job(store: JobStore) -> None:
    """A worker that leaves stops its jobs, and what they make of that counts no more."""
    taken = claimed(store)
    store.release([taken])
    assert not store.fail(taken, TriptychError())
    assert store.renew_leases([(taken.id, taken.attempt)]) == {taken.id}
    assert status(store, taken.id) == "queued"
