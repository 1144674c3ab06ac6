"""What the intake says of its work: when it is full, what it takes, and what each job has consumed."""

import pytest

from contracts.errors import InputTooLong
from tests.support.waiting import wait_until
from tests.unit.attempts.conftest import MakeIntake
from tests.unit.attempts.fakes import QUEUE, FakeEngine, FakeModel, FakeStore, Gate
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.intake import Intake


def since_last(intake: Intake) -> bool:
    intake.fullness.since_last()
    for _ in range(3):  # it takes steps while a job is in hand
        before = intake._look_at
        wait_until(lambda before=before: intake._look_at > before, "the intake stands still")  # type: ignore[misc]
    return intake.fullness.since_last()


def test_a_worker_is_full_while_something_waits_in_its_engine(
    intake: Intake, store: FakeStore, model: FakeModel, engine: FakeEngine
) -> None:
    gate = Gate()
    model.wait_for(gate)
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: model.begun, "the job did not begin")
    assert not since_last(intake), "nothing waits beside the one job"
    engine.waiting = {("default", "a")}
    since_last(intake)
    assert since_last(intake)
    gate.open()


def full_of_two(make_intake: MakeIntake, store: FakeStore, model: FakeModel, gate: Gate, num_jobs: int) -> Intake:
    """Return an intake that has taken two of so many jobs, and has room for no more until the gate opens."""
    intake = make_intake(max_jobs=2)
    model.wait_for(gate)
    for _ in range(num_jobs):
        store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 2, "the jobs did not begin")
    return intake


def test_a_worker_is_full_while_jobs_wait_for_it_in_the_store(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.runtime.attempts.intake.KNOWN_S", 60.0)
    gate = Gate()
    intake = full_of_two(make_intake, store, model, gate, 9)
    since_last(intake)
    assert since_last(intake)
    gate.open()
    wait_until(lambda: len(store.ends) == 9, "the jobs did not end")


def test_jobs_that_were_left_long_ago_may_be_gone(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other workers take them, too, and this one does not look while it has no room."""
    monkeypatch.setattr("workers.runtime.attempts.intake.KNOWN_S", 0.3)
    gate = Gate()
    intake = full_of_two(make_intake, store, model, gate, 3)
    wait_until(lambda: not since_last(intake), "it is full for ever of one job that it does not see")
    gate.open()
    wait_until(lambda: len(store.ends) == 3, "the jobs did not end")


@pytest.mark.parametrize("fails", [False, True])
def test_each_outcome_says_what_the_attempt_has_consumed(
    intake: Intake, store: FakeStore, model: FakeModel, fails: bool
) -> None:
    async def behave(attempt: Attempt) -> None:
        attempt.counts.num_rows, attempt.counts.tokens_in, attempt.counts.tokens_out = 1, 70, 5
        if fails:
            raise InputTooLong("too long")

    model.behave = behave
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: store.consumed, "the job did not end")
    (consumed,) = store.consumed
    assert (consumed.tokens_in, consumed.tokens_out) == (70, 5)
    assert model.begun[0].counts.cpu_s > 0 and model.begun[0].counts.demand is not None
    assert intake.taking_s > 0


def test_a_job_ends_even_if_its_work_can_not_be_found(
    intake: Intake, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(intake._jobs._prices, "ended", fail)
    job_id = store.add()
    intake.wake(QUEUE)
    wait_until(lambda: store.statuses() == {job_id: "succeeded"}, "the job has no outcome")
    wait_until(lambda: not intake.held.all(), "the job is held for ever")
