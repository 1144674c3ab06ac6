"""Steps 4 and 7 of a job on a fake store: whatever a task does, its job ends exactly once, or returns to its queue."""

import pytest

from contracts.errors import InputTooLong, OutOfMemory, TriptychError, UnknownModel
from tests.support.waiting import wait_until
from tests.unit.attempts.conftest import JOBS_A_TURN, MakeIntake
from tests.unit.attempts.fakes import OUTPUT, QUEUE, FakeEngine, FakeModel, FakeStore, Gate
from workers.runtime.attempts.attempt import Attempt, AttemptStopped
from workers.runtime.attempts.intake import Intake
from workers.runtime.models.versions import Models


class PanicException(BaseException):
    """The exception that a panic of a native library raises in Python."""


def run_all(intake: Intake, store: FakeStore, num_ends: int) -> None:
    """Wake the intake; return when so many jobs have ended, and none is held."""
    intake.wake(QUEUE)
    wait_until(lambda: len(store.ends) == num_ends and not intake.held.all(), "the jobs did not end")


def test_a_job_is_claimed_run_and_finished(intake: Intake, store: FakeStore) -> None:
    job_id = store.add()
    run_all(intake, store, 1)
    assert store.ends[0][:2] == (job_id, "succeeded") and store.ends[0][2]["output"] == OUTPUT


def test_one_message_is_enough_for_all_jobs_of_its_queue(intake: Intake, store: FakeStore) -> None:
    ids = [store.add() for _ in range(100)]
    run_all(intake, store, 100)
    assert [end[0] for end in store.ends] == ids, "the oldest come first"


def test_a_call_ends_many_jobs_and_starts_the_next_ones(intake: Intake, store: FakeStore) -> None:
    for _ in range(100):
        store.add()
    run_all(intake, store, 100)
    assert len(store.calls) <= 2 + 100 / JOBS_A_TURN + 1
    assert any(num_outcomes and num_claims for num_outcomes, _, num_claims in store.turns)


def test_messages_without_jobs_cost_a_call_each_at_most(intake: Intake, store: FakeStore) -> None:
    for _ in range(1000):
        intake.wake(QUEUE)
    store.add()
    run_all(intake, store, 1)
    assert len(store.calls) <= 1002


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), OutOfMemory),
        (SystemExit(1), TriptychError),
        (KeyboardInterrupt(), TriptychError),
        (GeneratorExit(), TriptychError),
        (PanicException("native"), TriptychError),
        (StopIteration(5), TriptychError),
        (ValueError("secret path /etc/x"), TriptychError),
        (InputTooLong("inputs[0] has 9 tokens", param="inputs[0]"), InputTooLong),
    ],
)
@pytest.mark.parametrize("is_quick", [True, False])
def test_an_error_fails_its_job_and_not_the_worker(
    make_intake: MakeIntake,
    store: FakeStore,
    model: FakeModel,
    error: BaseException,
    expected: type[TriptychError],
    is_quick: bool,
) -> None:
    intake = make_intake(model.served(is_quick=is_quick))
    model.fail_with(error)
    first = store.add()
    run_all(intake, store, 1)
    job_id, status, fields = store.ends[0]
    assert (job_id, status, fields["error_code"]) == (first, "failed", expected().code)
    assert "secret" not in fields["error_message"]
    if expected is InputTooLong:
        assert fields["error_message"] == "inputs[0] has 9 tokens" and fields["error_param"] == "inputs[0]"

    model.behave = FakeModel().behave
    second = store.add()
    run_all(intake, store, 2)
    assert store.ends[1][:2] == (second, "succeeded")


def test_a_task_that_awaits_what_nobody_finishes_fails(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    class Foreign:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield self

    async def wait(attempt: Attempt) -> None:
        await Foreign()

    model.behave = wait
    store.add()
    run_all(intake, store, 1)
    assert store.ends[0][1] == "failed"


def test_a_job_that_stops_is_recorded_as_cancelled(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    model.fail_with(AttemptStopped())
    job_id = store.add()
    store.cancelled.add(job_id)
    run_all(intake, store, 1)
    assert store.ends == [(job_id, "cancelled", {})]


@pytest.mark.parametrize("served", [None, "classify"], ids=["no model", "a model that was replaced by another task"])
def test_a_job_that_is_not_served_fails_and_the_error_says_so(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, served: str | None
) -> None:
    intake = make_intake(model.served(served) if served else Models())
    store.add()
    run_all(intake, store, 1)
    fields = store.ends[0][2]
    assert fields["error_code"] == UnknownModel("").code and "echo for embed" in fields["error_message"]


def test_a_worker_takes_what_its_engine_wants_and_no_more(
    intake: Intake, store: FakeStore, model: FakeModel, engine: FakeEngine
) -> None:
    """The others are better left where an idle worker finds them."""
    gate, engine.wanted = Gate(), 3
    model.wait_for(gate)
    ids = [store.add() for _ in range(10)]

    async def wait(attempt: Attempt) -> None:
        engine.wanted -= 1
        await gate.wait(attempt)

    model.behave = wait
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 3, "no jobs were taken")
    wait_until(lambda: not intake.has_room, "the worker has room")
    assert [attempt.claim.id for attempt in model.begun] == ids[:3]
    engine.wanted = 2
    engine.tell()
    wait_until(lambda: len(model.begun) == 5, "the engine wants jobs and gets none")
    engine.wanted = 1000
    gate.open()
    run_all(intake, store, 10)


def test_a_full_worker_takes_no_message_and_does_not_ask_for_jobs(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel
) -> None:
    intake, gate, told = make_intake(max_jobs=2), Gate(), list[bool]()
    intake.when_room(lambda: told.append(intake.has_room))
    model.wait_for(gate)
    for _ in range(4):
        store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 2 and not intake.has_room, "the worker is not full")
    num_calls = len(store.calls)
    for _ in range(100):
        intake.wake(QUEUE)
    wait_until(lambda: intake._inbox.is_empty, "the messages were not read")
    assert len(store.calls) == num_calls
    gate.open()
    run_all(intake, store, 4)
    wait_until(lambda: told and all(told), "nobody was told that there is room again")


def test_a_worker_for_one_job_ends_it_and_takes_the_next_in_one_call(make_intake: MakeIntake, store: FakeStore) -> None:
    intake = make_intake(max_jobs=1)
    for _ in range(5):
        store.add()
    run_all(intake, store, 5)
    turns = [(num_outcomes, num_claims) for num_outcomes, _, num_claims in store.turns]
    assert turns == [
        (0, 1),
        *[(1, 1)] * 4,
        (1, 0),
    ]


def test_an_attempt_that_lost_its_lease_is_refused(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    gate = Gate()
    model.wait_for(gate)
    job_id = store.add()
    intake.wake(QUEUE)
    wait_until(lambda: model.begun, "the job did not begin")
    store.lose_lease(job_id)
    gate.open()
    # What it brings is refused. The same call finds the job in its queue and takes it again.
    run_all(intake, store, 1)
    assert store.ended_by == {job_id: 2}


def test_a_worker_that_claims_a_job_again_after_losing_it_holds_the_new_attempt(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    """The end of the old attempt must not remove the new one, or the heartbeat would not renew its lease."""
    gates = {1: Gate(), 2: Gate()}

    async def wait(attempt: Attempt) -> None:
        try:
            await gates[attempt.claim.attempt].wait(attempt)
        except AttemptStopped:
            await gates[attempt.claim.attempt].wait(attempt)  # it takes long to notice
            raise

    model.behave = wait
    job_id = store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 1, "the first attempt did not start")
    store.lose_lease(job_id)
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 2, "the second attempt did not start")
    first, second = model.begun
    wait_until(lambda: first.should_stop and not second.should_stop, "the first attempt goes on")
    gates[1].open()
    wait_until(lambda: (1, (), 0) in store.turns or len(store.turns) >= 3, "the first attempt did not end")
    assert [attempt.claim.attempt for attempt in intake.held.all()] == [2]
    gates[2].open()
    run_all(intake, store, 1)
    assert store.ended_by == {job_id: 2}
