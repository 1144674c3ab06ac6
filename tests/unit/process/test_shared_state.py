"""What the heartbeat process reads of its worker, from memory that both have."""

import os

import pytest

from contracts.jobs import new_job_id
from workers.runtime.process.shared_state import HeldAttempt, SharedState


@pytest.fixture
def state() -> SharedState:
    return SharedState(3)


@pytest.fixture
def seen(state: SharedState) -> SharedState:
    """The same memory, as another process maps it."""
    return SharedState(3, os.dup(state.file))


def in_call_of(seen: SharedState) -> list[str]:
    return [attempt.job_id for attempt in seen.attempts() if attempt.in_call]


def test_attempts_are_seen_until_they_end(state: SharedState, seen: SharedState) -> None:
    first, second = new_job_id(), new_job_id()
    state.hold(first, 1)
    state.hold(second, 7)
    assert sorted(seen.attempts()) == sorted([HeldAttempt(first, 1, False, True), HeldAttempt(second, 7, False, True)])
    state.drop(first)
    assert seen.attempts() == [HeldAttempt(second, 7, False, True)]
    state.drop(first)
    state.drop(second)
    assert seen.attempts() == []


def test_a_later_attempt_at_a_job_takes_the_place_of_the_earlier_one(state: SharedState, seen: SharedState) -> None:
    job_id = new_job_id()
    state.hold(job_id, 1)
    state.hold(job_id, 2)
    assert seen.attempts() == [HeldAttempt(job_id, 2, False, True)]


def test_only_held_jobs_are_noted_as_being_in_the_model_call(state: SharedState, seen: SharedState) -> None:
    in_call, other, ended = new_job_id(), new_job_id(), new_job_id()
    state.hold(in_call, 1)
    state.hold(other, 1)
    state.note_call([in_call, ended])
    assert in_call_of(seen) == [in_call]
    state.drop(in_call)
    state.hold(new_job_id(), 1)  # perhaps in the same slot
    assert in_call_of(seen) == []
    state.hold(in_call, 2)  # claimed again while the rows of the first attempt are still in the call
    assert in_call_of(seen) == [in_call]
    state.drop(in_call)
    state.note_call(())
    state.hold(ended, 1)
    assert in_call_of(seen) == []


def test_slots_are_used_again_and_their_number_is_a_limit(state: SharedState, seen: SharedState) -> None:
    for _ in range(10):
        job_ids = [new_job_id() for _ in range(3)]
        for job_id in job_ids:
            state.hold(job_id, 1)
        with pytest.raises(RuntimeError, match="more than 3 attempts"):
            state.hold(new_job_id(), 1)
        assert {attempt.job_id for attempt in seen.attempts()} == set(job_ids)
        for job_id in job_ids:
            state.drop(job_id)


def test_progress_and_the_running_call_are_seen(state: SharedState, seen: SharedState) -> None:
    assert seen.last_progress() == 0 and seen.busy_since() is None
    state.progress(busy_since=12.5)
    assert seen.last_progress() > 0 and seen.busy_since() == 12.5
    state.progress()
    assert seen.busy_since() is None


def test_an_attempt_is_prepared_unless_it_waits_for_model_calls(state: SharedState, seen: SharedState) -> None:
    job_id = new_job_id()
    state.note_waiting(job_id, True)  # of no attempt that is held
    state.hold(job_id, 1)
    for waiting in (True, False):
        state.note_waiting(job_id, waiting)
        assert seen.attempts() == [HeldAttempt(job_id, 1, in_call=False, preparing=not waiting)]
