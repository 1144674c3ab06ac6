"""What the heartbeat process reads of its worker, from memory that both have."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.job_ids import new_job_id
from workers.runtime.process.shared_state import HeldAttempt, SharedState


@pytest.fixture
def state() -> SharedState:
    return SharedState(3)


@pytest.fixture
def seen(state: SharedState) -> SharedState:
    """The same memory, as another process maps it."""
    return SharedState.of(state.file)


def new_id() -> str:
    return new_job_id("acme", 0)


def held(job_id: str, attempt: int, *, preparing: bool = False, suspect: bool = False) -> HeldAttempt:
    return HeldAttempt(job_id, attempt, False, preparing, suspect)


def in_call_of(seen: SharedState) -> list[str]:
    return [attempt.job_id for attempt in seen.attempts() if attempt.in_call]


def test_attempts_are_seen_until_they_end(state: SharedState, seen: SharedState) -> None:
    first, second = new_id(), new_id()
    state.hold(first, 1)
    state.hold(second, 7)
    assert sorted(seen.attempts()) == sorted([held(first, 1), held(second, 7)])
    state.drop(first)
    assert seen.attempts() == [held(second, 7)]
    state.drop(first)
    state.drop(second)
    assert seen.attempts() == []


def test_a_later_attempt_at_a_job_takes_the_place_of_the_earlier_one(state: SharedState, seen: SharedState) -> None:
    job_id = new_id()
    state.hold(job_id, 1)
    state.hold(job_id, 2)
    assert seen.attempts() == [held(job_id, 2)]


def test_only_held_jobs_are_noted_as_being_in_the_model_call(state: SharedState, seen: SharedState) -> None:
    in_call, other, ended = new_id(), new_id(), new_id()
    state.hold(in_call, 1)
    state.hold(other, 1)
    state.note_call([in_call, ended])
    assert in_call_of(seen) == [in_call]
    state.drop(in_call)
    state.hold(new_id(), 1)  # perhaps in the same slot
    assert in_call_of(seen) == []
    state.hold(in_call, 2)  # claimed again while the rows of the first attempt are still in the call
    assert in_call_of(seen) == [in_call]
    state.drop(in_call)
    state.note_call(())
    state.hold(ended, 1)
    assert in_call_of(seen) == []


def test_slots_are_used_again_and_their_number_is_a_limit(state: SharedState, seen: SharedState) -> None:
    for _ in range(10):
        job_ids = [new_id() for _ in range(3)]
        for job_id in job_ids:
            state.hold(job_id, 1)
        one_too_many = new_id()
        state.hold(one_too_many, 1)
        state.note_preparing(one_too_many, True)
        state.drop(one_too_many)
        state.note_preparing(one_too_many, False)
        assert {attempt.job_id for attempt in seen.attempts()} == set(job_ids)
        for job_id in job_ids:
            state.drop(job_id)


def test_the_last_turn_is_seen(state: SharedState, seen: SharedState) -> None:
    assert seen.last_turn() == 0
    before = time.monotonic()
    state.note_turn()
    assert before <= seen.last_turn() <= time.monotonic()


def test_progress_and_the_running_call_are_seen(state: SharedState, seen: SharedState) -> None:
    assert seen.last_progress() == 0 and seen.busy_since() is None
    state.progress(busy_since=12.5)
    assert seen.last_progress() > 0 and seen.busy_since() == 12.5
    state.progress()
    assert seen.busy_since() is None


def test_an_attempt_is_prepared_while_a_thread_works_on_it(state: SharedState, seen: SharedState) -> None:
    job_id = new_id()
    state.note_preparing(job_id, True)  # of no attempt that is held
    assert seen.attempts() == []
    state.hold(job_id, 1)
    state.note_preparing(job_id, True)
    assert seen.attempts() == [held(job_id, 1, preparing=True)]
    state.note_preparing(job_id, False)
    assert seen.attempts() == [held(job_id, 1)]


def test_suspects_are_told_from_others(state: SharedState, seen: SharedState) -> None:
    job_id = new_id()
    state.hold(job_id, 2, suspect=True)
    assert seen.attempts() == [held(job_id, 2, suspect=True)]
    state.hold(job_id, 3)
    assert seen.attempts() == [held(job_id, 3)]


def test_the_jobs_of_a_call_are_noted_at_once(state: SharedState, seen: SharedState) -> None:
    """A worker that dies while it notes the next call leaves jobs of the last one, and no mixture."""
    first, second, third = (new_id() for _ in range(3))
    for job_id in (first, second, third):
        state.hold(job_id, 1)
    state.note_call([first, second])
    found: list[set[str]] = []

    class Dying(list[str]):
        """Job ids, at each of which others look as if the writer had died there."""

        def __iter__(self) -> Iterator[str]:
            for job_id in super().__iter__():
                found.append(set(in_call_of(seen)))
                yield job_id

    state.note_call(Dying([second, third]))
    assert len(found) == 2 and all(names <= {first, second} for names in found)
    assert set(in_call_of(seen)) == {second, third}


@pytest.mark.parametrize("text", [b"", b"triptyc0", bytes(4096), b"another file " * 100])
def test_a_file_of_another_version_is_no_state(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "note"
    path.write_bytes(text)
    with path.open("r+b") as file, pytest.raises(ValueError):
        SharedState.of(file.fileno())
