"""Steps 4 and 7 of a job on a fake store: whatever a task does, its job ends exactly once, or returns to its queue."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from workers.runtime.attempts.runner import MAX_CLAIMS_IN_A_ROW, JobRunner

from contracts.errors import InputTooLong, OutOfMemory, TriptychError, UnknownModel
from contracts.store.attempt_store import AttemptStore
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.fakes import BUDGET_BYTES, OUTPUT, FakeModel, FakeStore
from workers.runtime.attempts.attempt import Attempt, AttemptStopped
from workers.runtime.attempts.room import JobRoom
from workers.runtime.models.versions import Models
from workers.runtime.process.shared_state import SharedState


class PanicException(BaseException):
    """The exception that a panic of a native library raises in Python."""


def test_a_job_is_claimed_run_and_finished(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    runner.accept(job_id, suspect=False)
    assert store.ends == [(job_id, "succeeded", OUTPUT)]
    assert runner.held.all() == []


def test_a_message_that_is_delivered_five_times_runs_its_job_once(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: runner.accept(job_id, suspect=False), range(5)))
    assert [end[:2] for end in store.ends] == [(job_id, "succeeded")]


@pytest.mark.parametrize(
    "garbage", ["", "x", "../../etc/passwd", "x" * 23, "x" * 21 + "\n", None, 5, ["x" * 22], {}, b"x" * 22, "é" * 22]
)
def test_a_message_without_a_job_id_never_reaches_the_store(runner: JobRunner, store: FakeStore, garbage: Any) -> None:
    for suspect in (False, True):
        runner.accept(garbage, suspect=suspect)
    assert store.calls == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), OutOfMemory),
        (SystemExit(1), TriptychError),
        (KeyboardInterrupt(), TriptychError),
        (PanicException("native"), TriptychError),
        (ValueError("secret path /etc/x"), TriptychError),
        (InputTooLong("inputs[0] has 9 tokens", param="inputs[0]"), InputTooLong),
    ],
)
def test_an_error_fails_its_job_and_not_the_worker(
    runner: JobRunner, store: FakeStore, model: FakeModel, error: BaseException, expected: type[TriptychError]
) -> None:
    model.fail_with(error)
    first = store.add()
    runner.accept(first, suspect=False)
    (end,) = store.ends
    assert end[:2] == (first, "failed") and type(end[2]) is expected
    assert "secret" not in end[2].message
    if expected is InputTooLong:
        assert end[2].message == "inputs[0] has 9 tokens" and end[2].param == "inputs[0]"

    model.behave = lambda attempt: None
    second = store.add()
    runner.accept(second, suspect=False)
    assert store.ends[1][:2] == (second, "succeeded")


def test_a_job_that_stops_is_recorded_as_cancelled(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    model.fail_with(AttemptStopped())
    job_id = store.add()
    store.cancelled.add(job_id)
    runner.accept(job_id, suspect=False)
    assert store.ends == [(job_id, "cancelled", None)]


def test_a_job_of_a_model_that_is_not_served_fails_and_the_error_names_it(store: FakeStore) -> None:
    runner = JobRunner(cast(AttemptStore, store), "w1", Models(), SharedState(1), JobRoom(BUDGET_BYTES, 16))
    runner.accept(store.add(), suspect=False)
    (end,) = store.ends
    assert isinstance(end[2], UnknownModel) and "echo" in end[2].message


def test_a_job_of_a_task_that_its_model_no_longer_has_fails(store: FakeStore, model: FakeModel) -> None:
    """The model was replaced while the job waited."""
    runner = JobRunner(
        cast(AttemptStore, store), "w1", model.served("classify"), SharedState(1), JobRoom(BUDGET_BYTES, 16)
    )
    runner.accept(store.add(), suspect=False)
    (end,) = store.ends
    assert isinstance(end[2], UnknownModel) and "echo for embed" in end[2].message


def test_a_job_stays_queued_when_the_store_is_out_of_reach_at_its_claim(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    store.outage["claim"] = 1
    runner.accept(job_id, suspect=False)
    assert store.ends == [] and job_id in store.queued
    runner.accept(job_id, suspect=False)
    assert store.ends[0][:2] == (job_id, "succeeded")


def test_an_answer_is_recorded_once_the_store_is_back(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    store.outage["finish"] = 20
    runner.accept(job_id, suspect=False)
    assert store.ends == [(job_id, "succeeded", OUTPUT)]
    assert store.calls.count("finish") == 21


def test_progress_that_can_not_be_recorded_does_not_fail_the_job(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    def with_progress(attempt: Attempt) -> None:
        attempt.report_progress(1, 2)

    model.behave = with_progress
    store.outage["progress"] = 1
    runner.accept(store.add(), suspect=False)
    assert store.ends[0][1] == "succeeded"


def test_the_answer_of_an_attempt_that_lost_its_lease_is_refused(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    def while_away(attempt: Attempt) -> None:
        store.lose_lease(attempt.claim.id)

    model.behave = while_away
    job_id = store.add()
    runner.accept(job_id, suspect=False)
    assert store.ends == []
    model.behave = lambda attempt: None
    runner.accept(job_id, suspect=False)
    assert store.ends == [(job_id, "succeeded", OUTPUT)]


def test_a_worker_that_claims_a_job_again_after_losing_it_holds_the_new_attempt(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    """The end of the old attempt must not remove the new one, or the heartbeat would not renew its lease."""
    gates = {1: threading.Event(), 2: threading.Event()}
    seen: dict[int, Attempt] = {}

    def wait(attempt: Attempt) -> None:
        seen[attempt.claim.attempt] = attempt
        assert gates[attempt.claim.attempt].wait(PATIENCE_S)

    model.behave = wait
    job_id = store.add()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(runner.accept, job_id, suspect=False)
        wait_until(lambda: 1 in seen, "the first attempt did not start")
        store.lose_lease(job_id)
        second = pool.submit(runner.accept, job_id, suspect=False)
        wait_until(lambda: 2 in seen, "the second attempt did not start")
        assert seen[1].should_stop and not seen[2].should_stop
        gates[1].set()
        first.result(PATIENCE_S)
        assert [attempt.claim.attempt for attempt in runner.held.all()] == [2]
        gates[2].set()
        second.result(PATIENCE_S)
    assert store.ends == [(job_id, "succeeded", OUTPUT)]
    assert runner.held.all() == []


def test_a_thread_that_has_finished_a_job_claims_the_next_ones_of_its_queue(
    runner: JobRunner, store: FakeStore
) -> None:
    ids = [store.add() for _ in range(5)]
    runner.accept(ids[0], suspect=False, queue="triptych.echo")
    assert [end[:2] for end in store.ends] == [(job_id, "succeeded") for job_id in ids]


def test_a_thread_returns_to_celery_after_a_number_of_claims(runner: JobRunner, store: FakeStore) -> None:
    """Otherwise the queues of other models would starve."""
    ids = [store.add() for _ in range(MAX_CLAIMS_IN_A_ROW + 10)]
    runner.accept(ids[0], suspect=False, queue="triptych.echo")
    assert len(store.ends) == 1 + MAX_CLAIMS_IN_A_ROW


def test_a_draining_worker_runs_the_job_of_a_message_and_claims_no_other(runner: JobRunner, store: FakeStore) -> None:
    ids = [store.add() for _ in range(2)]
    runner.begin_drain()
    runner.accept(ids[0], suspect=False, queue="triptych.echo")
    assert [end[0] for end in store.ends] == [ids[0]] and store.queued == {ids[1]}
