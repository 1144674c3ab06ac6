"""Steps 4 and 7 in one call: outcomes go, jobs come, and a call that is sent again does nothing twice."""

import pytest

from contracts.errors import TriptychError
from contracts.jobs import queue_of
from contracts.store.attempt_store import MAX_JOBS, new_token
from contracts.store.attempts.outcomes import failed, succeeded
from contracts.store.attempts.turn import UNLIMITED, LargeJob, Room
from tests.redis.builders import (
    ANSWER,
    QUEUE,
    SUSPECTS,
    TENANT,
    claim,
    claimed,
    come_due,
    num_messages,
    pass_deadline,
    status,
    submit,
    take_message,
    waiting,
)
from tests.support.job_store import JobStore

LARGE = b'{"inputs":["' + b"a" * 1000 + b'","b"]}'
NEEDED = len(LARGE) * 10 + 2 * 100


def room(num_bytes: int, most_bytes: int = 0) -> Room:
    return Room(num_bytes, most_bytes or num_bytes, per_request_byte=10, per_input=100)


def large(store: JobStore) -> str:
    return submit(store, request=LARGE, num_inputs=2)


def many_queues(store: JobStore, num_queues: int) -> list[str]:
    """Submit a job into each of many queues; return the queues."""
    for number in range(num_queues):
        submit(store, model=f"m{number}")
    return [queue_of(f"m{number}") for number in range(num_queues)]


def test_outcomes_are_recorded_and_the_oldest_jobs_are_started_in_one_call(store: JobStore) -> None:
    first = [claimed(store) for _ in range(3)]
    ids = [submit(store) for _ in range(5)]
    outcomes = [succeeded(first[0], ANSWER), failed(first[1], TriptychError()), succeeded(first[2], ANSWER)]
    turn = store.turn("w1", outcomes, sources=[SUSPECTS, QUEUE], max_jobs=3)
    assert turn.accepted == [True] * 3
    assert [taken.id for taken in turn.claims] == ids[:3]
    assert turn.too_large is None
    assert [status(store, taken.id) for taken in first] == ["succeeded", "failed", "succeeded"]
    assert waiting(store) == ids[3:]


def test_the_last_jobs_leave_nothing(store: JobStore) -> None:
    ids = [submit(store) for _ in range(3)]
    turn = store.turn("w1", sources=[QUEUE])
    assert [taken.id for taken in turn.claims] == ids
    assert num_messages(store) == 0, "whoever took the message would find nothing"


def test_without_queues_no_job_is_started(store: JobStore) -> None:
    taken, _ = claimed(store), submit(store)
    assert store.turn("w1", [succeeded(taken, ANSWER)]).claims == []


def test_suspects_come_first_if_they_are_named_first(store: JobStore) -> None:
    suspect, other = claimed(store), submit(store)
    come_due(store, suspect.id)
    store.reap()
    assert [taken.id for taken in store.turn("w1", sources=[SUSPECTS, QUEUE]).claims] == [suspect.id, other]


def test_a_turn_sent_again_after_a_lost_reply_gets_the_same_attempts(store: JobStore) -> None:
    """Otherwise no worker would run these jobs until their leases are over, and they would be blamed for a crash."""
    done = claimed(store)
    ids = [submit(store) for _ in range(4)]
    token = new_token()
    first, again = (
        store.turn("w1", [succeeded(done, ANSWER)], sources=[QUEUE], max_jobs=2, token=token) for _ in range(2)
    )
    assert (first.accepted, first.claims) == (again.accepted, again.claims)
    assert [taken.id for taken in first.claims] == ids[:2]
    assert waiting(store) == ids[2:]
    assert store.num_finished() == {("minilm", "succeeded"): 1}


def test_sent_again_with_other_outcomes_and_no_queues_it_still_gets_them(store: JobStore) -> None:
    done, job_id = claimed(store), submit(store)
    token = new_token()
    store.turn("w1", sources=[QUEUE], token=token)
    again = store.turn("w1", [succeeded(done, ANSWER)], max_jobs=1, token=token)
    assert again.accepted == [True]
    assert [taken.id for taken in again.claims] == [job_id]


def test_sent_again_it_brings_no_attempt_that_has_lost_its_job(store: JobStore) -> None:
    lost, cancelled, kept = (submit(store) for _ in range(3))
    token = new_token()
    taken = store.turn("w1", sources=[QUEUE], token=token).claims
    come_due(store, lost)
    store.reap()
    claim(store, lost, "w2")
    store.cancel(cancelled, TENANT)
    assert store.turn("w1", sources=[QUEUE], token=token).claims == [taken[2]]
    assert taken[2].id == kept
    assert status(store, cancelled) == "cancelled", "nobody runs it, so nobody else would confirm it"


def test_sent_again_after_the_leases_are_over_it_takes_back_what_nobody_else_has_started(store: JobStore) -> None:
    """The worker was cut off and has not died, so its jobs are no suspects."""
    ids = [submit(store) for _ in range(3)]
    token = new_token()
    first = store.turn("w1", sources=[QUEUE], token=token)
    come_due(store, *ids)
    assert store.reap()[0] == 3 and sorted(waiting(store, SUSPECTS)) == sorted(ids)
    again = store.turn("w1", sources=[QUEUE], token=token)
    assert again.claims == first.claims
    assert [store.read(job_id, TENANT).crashes for job_id in ids] == [0] * 3
    assert waiting(store, SUSPECTS) == [] and store.reap()[0] == 0, "their leases are over"


@pytest.mark.parametrize("was_empty", [True, False])
def test_a_turn_that_was_held_up_on_its_way_starts_nothing(store: JobStore, was_empty: bool) -> None:
    """A frozen store serves it after the call that was sent in its place. Nobody would run what it starts."""
    if not was_empty:
        submit(store)
    early, late = new_token(), new_token()
    store.turn("w1", sources=[QUEUE], token=early)
    store.turn("w1", sources=[QUEUE], token=late)
    job_id = submit(store)
    assert store.turn("w1", sources=[QUEUE], token=early).claims == []
    assert status(store, job_id) == "queued"
    assert len(store.turn("w2", sources=[QUEUE], token=early).claims) == 1, "other workers count for themselves"


def test_jobs_of_more_queues_than_one_call_looks_into_are_found(store: JobStore) -> None:
    queues = many_queues(store, 20)
    token = new_token()
    first, again = (store.turn("w1", sources=queues, token=token) for _ in range(2))
    assert [taken.model for taken in first.claims] == [f"m{number}" for number in range(MAX_JOBS)]
    assert {taken.id for taken in again.claims} == {taken.id for taken in first.claims}
    assert len(store.turn("w1", sources=queues).claims) == 4


def test_queues_that_a_full_worker_did_not_look_into_keep_their_messages(store: JobStore) -> None:
    queues = many_queues(store, 12)
    for queue in queues:
        take_message(store, queue)  # this worker has taken them all
    store.turn("w1", sources=queues, max_jobs=2)
    assert [num_messages(store, queue) for queue in queues] == [0, 0] + [1] * 10


def test_a_suspect_that_runs_alone_is_the_only_one_however_many_queues_a_turn_looks_into(store: JobStore) -> None:
    alone = [claimed(store, f"w{number}", model=f"m{number}") for number in range(2)]
    come_due(store, *(taken.id for taken in alone))
    store.reap()
    first, second = (queue_of(f"m{number}", suspect=True) for number in range(2))
    take_message(store, second)
    other = submit(store)
    turn = store.turn("w3", sources=[first, *(queue_of(f"none{number}") for number in range(7)), second, QUEUE])
    assert [taken.id for taken in turn.claims] == [alone[0].id, other]
    assert num_messages(store, second) == 1, "another worker may take it"
    assert [taken.id for taken in store.turn("w4", sources=[second]).claims] == [alone[1].id]


def test_a_job_that_does_not_fit_stays_queued(store: JobStore) -> None:
    job_id = large(store)
    turn = store.turn("w1", sources=[QUEUE], room=room(NEEDED - 1))
    assert (turn.claims, turn.too_large) == ([], LargeJob(job_id, NEEDED))
    job = store.read(job_id, TENANT)
    assert (job.status, job.attempt) == ("queued", 0)
    (taken,) = store.turn("w1", sources=[QUEUE], room=room(NEEDED)).claims
    assert (taken.request, taken.num_bytes) == (LARGE, NEEDED)


def test_jobs_are_started_as_long_as_they_fit(store: JobStore) -> None:
    ids = [large(store) for _ in range(4)]
    turn = store.turn("w1", sources=[QUEUE], room=room(2 * NEEDED + 1))
    assert [taken.id for taken in turn.claims] == ids[:2]
    assert turn.too_large is None, "it fits once there is room again"


def test_small_jobs_pass_by_large_ones(store: JobStore) -> None:
    first, second, small = large(store), large(store), submit(store)
    turn = store.turn("w1", sources=[QUEUE], room=room(NEEDED - 1))
    assert [taken.id for taken in turn.claims] == [small]
    assert turn.too_large == LargeJob(first, NEEDED)
    assert waiting(store) == [first, second]


def test_a_job_that_is_named_is_started_whatever_it_needs(store: JobStore) -> None:
    job_id = large(store)
    small = submit(store)
    turn = store.turn("w1", sources=[job_id, QUEUE], room=room(NEEDED - 1))
    assert [taken.id for taken in turn.claims] == [job_id, small]


def test_a_group_of_suspects_is_started_whole_whatever_it_needs(store: JobStore) -> None:
    first = [claim(store, large(store), "w1") for _ in range(16)]
    come_due(store, *(taken.id for taken in first))
    store.reap()
    turn = store.turn("w2", sources=[SUSPECTS], max_jobs=1, room=room(10))
    assert len(turn.claims) == 8 and len({taken.group for taken in turn.claims}) == 1
    assert len(waiting(store, SUSPECTS)) == 8


def test_a_member_that_is_late_does_not_hold_up_its_group(store: JobStore) -> None:
    first = [claimed(store) for _ in range(4)]
    come_due(store, *(taken.id for taken in first))
    store.reap()
    late = waiting(store, SUSPECTS)[0]
    pass_deadline(store, late)
    assert [len(store.turn("w2", sources=[SUSPECTS], max_jobs=1).claims) for _ in range(2)] == [1, 2]
    store.reap()
    assert waiting(store, SUSPECTS) == [] and not store.client.keys("triptych:group:*")


def test_a_few_late_jobs_are_passed_by(store: JobStore) -> None:
    late = [large(store) for _ in range(10)]
    timely = submit(store)
    pass_deadline(store, *late)
    assert [taken.id for taken in store.turn("w1", sources=[QUEUE]).claims] == [timely]


def test_thousands_of_late_jobs_are_left_to_the_reaper(store: JobStore) -> None:
    late = [submit(store) for _ in range(1000)]
    timely = submit(store)
    pass_deadline(store, *late)
    take_message(store)
    store.client.config_resetstat()
    assert store.turn("w1", sources=[QUEUE]).claims == []
    assert store.client.info("commandstats")["cmdstat_hmget"]["calls"] < 40
    assert num_messages(store) == 0, "the worker would wake itself again and again"
    store.reap()
    assert num_messages(store) == 1
    assert [taken.id for taken in store.turn("w1", sources=[QUEUE]).claims] == [timely]


def test_what_is_listed_and_does_not_wait_leaves_the_queue(store: JobStore) -> None:
    """It would be in the way of all that come after it."""
    running = claimed(store)
    store.client.zadd(f"triptych:waiting:{QUEUE}", {running.id: 1, "A" * 22: 2})
    job_id = submit(store)
    assert [taken.id for taken in store.turn("w1", sources=[QUEUE]).claims] == [job_id]
    assert waiting(store) == []
    assert store.succeed(running, ANSWER)


def test_without_a_limit_every_job_is_claimed(store: JobStore) -> None:
    large(store)
    assert len(store.turn("w1", sources=[QUEUE], room=UNLIMITED).claims) == 1
