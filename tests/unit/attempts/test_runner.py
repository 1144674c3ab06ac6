"""Steps 4 and 7 on a store by hand: whatever happens inside, an attempt ends once, or is given back, or fenced."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from contracts.errors import InputTooLong, OutOfMemory, TriptychError, UnknownModel
from contracts.jobs import Claim
from contracts.store.attempt_store import AttemptStore
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.fakes import OUTPUT, FakeModel, FakeStore
from workers.runtime.attempts import runner as runner_module
from workers.runtime.attempts.attempt import Attempt, AttemptStopped
from workers.runtime.attempts.runner import JobRunner
from workers.runtime.models.versions import Models


class PanicException(BaseException):
    """What a native library's panic looks like."""


@pytest.fixture(autouse=True)
def short_pause() -> Iterator[None]:
    before = runner_module.RETRY_PAUSE_S
    runner_module.RETRY_PAUSE_S = 0.001
    yield
    runner_module.RETRY_PAUSE_S = before


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def runner(store: FakeStore, model: FakeModel) -> JobRunner:
    return JobRunner(cast(AttemptStore, store), "w1", model.served())


def test_a_job_is_claimed_run_and_finished(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    runner.accept(job_id, suspect=False)
    assert store.ends == [(job_id, "succeeded", OUTPUT)]
    assert runner.held.all() == []


def test_a_message_that_comes_five_times_is_run_once(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: runner.accept(job_id, suspect=False), range(5)))
    assert [end[:2] for end in store.ends] == [(job_id, "succeeded")]


@pytest.mark.parametrize(
    "garbage", ["", "x", "../../etc/passwd", "x" * 23, "x" * 21 + "\n", None, 5, ["x" * 22], {}, b"x" * 22, "é" * 22]
)
def test_what_is_no_job_id_never_reaches_the_store(runner: JobRunner, store: FakeStore, garbage: Any) -> None:
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
def test_an_error_ends_its_job_and_nothing_else(
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


def test_a_stopped_job_is_told_as_cancelled(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    model.fail_with(AttemptStopped())
    job_id = store.add()
    store.cancelled.add(job_id)
    runner.accept(job_id, suspect=False)
    assert store.ends == [(job_id, "cancelled", None)]


def test_a_job_of_a_model_that_is_not_served_here_fails_by_name(store: FakeStore) -> None:
    runner = JobRunner(cast(AttemptStore, store), "w1", Models())
    runner.accept(store.add(), suspect=False)
    (end,) = store.ends
    assert isinstance(end[2], UnknownModel) and "echo" in end[2].message


def test_a_job_of_a_task_that_its_model_does_not_do_fails_by_name(store: FakeStore, model: FakeModel) -> None:
    """It was queued for a model of that name which did."""
    JobRunner(cast(AttemptStore, store), "w1", model.served("classify")).accept(store.add(), suspect=False)
    (end,) = store.ends
    assert isinstance(end[2], UnknownModel) and "echo for embed" in end[2].message


def test_a_store_that_is_away_at_the_claim_leaves_the_job_to_the_reaper(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    store.outage["claim"] = 1
    runner.accept(job_id, suspect=False)
    assert store.ends == [] and job_id in store.queued
    runner.accept(job_id, suspect=False)
    assert store.ends[0][:2] == (job_id, "succeeded")


def test_an_answer_waits_until_the_store_is_back(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add()
    store.outage["finish"] = 20
    runner.accept(job_id, suspect=False)
    assert store.ends == [(job_id, "succeeded", OUTPUT)]
    assert store.calls.count("finish") == 21


def test_progress_that_cannot_be_told_does_not_fail_the_job(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    def with_progress(attempt: Attempt) -> None:
        attempt.report_progress(1, 2)

    model.behave = with_progress
    store.outage["progress"] = 1
    runner.accept(store.add(), suspect=False)
    assert store.ends[0][1] == "succeeded"


def test_an_attempt_that_lost_its_lease_throws_its_answer_away(
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


def test_a_worker_that_gets_its_own_lost_job_again_holds_the_new_attempt(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    """The old attempt's end must not take the new one out of the heartbeat: its lease would run out under it."""
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


def test_suspects_run_one_at_a_time(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    ids = [store.add(suspect=True) for _ in range(20)]
    isolated: list[bool] = []

    def note(attempt: Attempt) -> None:
        isolated.append(attempt.isolated)

    model.behave = note
    for job_id in ids:
        runner.accept(job_id, suspect=True)
    wait_until(lambda: len(store.ends) == 20, "suspects were not run")
    assert model.most_inside == 1 and isolated == [True] * 20


def test_the_lane_of_suspects_outlives_a_defect_of_the_store(runner: JobRunner, store: FakeStore) -> None:
    honest = store.claim

    def broken(job_id: str, worker: str) -> Claim | None:
        store.claim = honest  # type: ignore[method-assign]
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a reply that nobody foresaw")

    store.claim = broken  # type: ignore[method-assign]
    ids = [store.add(suspect=True) for _ in range(2)]
    for job_id in ids:
        runner.accept(job_id, suspect=True)
    wait_until(lambda: store.ends, "the lane is closed")
    assert store.ends[0][:2] == (ids[1], "succeeded")


def running(runner: JobRunner, store: FakeStore, model: FakeModel, gate: threading.Event, suspect: bool) -> str:
    """Start a job that stays inside the model until ``gate`` is set."""

    def wait(attempt: Attempt) -> None:
        assert gate.wait(PATIENCE_S)

    model.behave = wait
    job_id = store.add(suspect=suspect)
    threading.Thread(target=runner.accept, args=(job_id,), kwargs={"suspect": suspect}, daemon=True).start()
    wait_until(lambda: model.inside == 1, "the job did not start")
    return job_id


def test_jobs_given_back_are_queued_again_and_fenced(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    gate = threading.Event()
    job_id = running(runner, store, model, gate, suspect=False)
    (attempt,) = runner.held.all()
    runner.held.release_all()
    assert attempt.should_stop and job_id in store.queued
    gate.set()
    wait_until(lambda: not runner.held.all(), "the thread did not come back")
    assert store.ends == []


def test_a_store_that_is_away_does_not_stop_the_giving_back(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    gate = threading.Event()
    running(runner, store, model, gate, suspect=False)
    store.outage["release"] = 1
    runner.held.release_all()
    store.outage["finish"] = 10**9
    gate.set()
    wait_until(lambda: not runner.held.all(), "an attempt that is gone must not try for ever to record its end")


def test_a_drain_lets_the_running_suspect_end_and_takes_no_other(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    gate = threading.Event()
    first = running(runner, store, model, gate, suspect=True)
    second = store.add(suspect=True)
    runner.accept(second, suspect=True)
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(runner.drain, PATIENCE_S)
        gate.set()
        drained.result(PATIENCE_S)
    assert [end[:2] for end in store.ends] == [(first, "succeeded")]
    assert second in store.queued


def test_a_drain_gives_back_the_suspect_that_outlasts_it(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    gate = threading.Event()
    job_id = running(runner, store, model, gate, suspect=True)
    runner.drain(0.01)
    assert job_id in store.queued
    gate.set()


def test_a_drain_without_suspects_is_over_at_once(runner: JobRunner) -> None:
    runner.drain(PATIENCE_S)
    assert not runner._suspects._thread.is_alive()


# -- a worker that has given its jobs back runs none, even if Celery still brings their messages --------------------


@pytest.mark.parametrize("suspect", [False, True])
def test_messages_that_come_too_late_are_left_to_others(runner: JobRunner, store: FakeStore, suspect: bool) -> None:
    job_id = store.add(suspect=suspect)
    runner.drain(0.01)
    runner.accept(job_id, suspect=suspect)
    assert store.queued == {job_id} and store.attempts[job_id] == 0


def test_a_job_that_stops_before_it_is_given_back_is_not_cancelled(
    runner: JobRunner, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, release = store.add(), store.release

    def stop_with_the_worker(attempt: Attempt) -> None:
        wait_until(lambda: attempt.should_stop, "the attempt was not stopped")
        raise AttemptStopped

    def last(claim: Claim) -> bool:
        wait_until(lambda: not runner.held.all(), "the job goes on though its worker leaves")
        return release(claim)

    model.behave = stop_with_the_worker
    monkeypatch.setattr(store, "release", last)
    with ThreadPoolExecutor() as pool:
        done = pool.submit(runner.accept, job_id, suspect=False)
        wait_until(runner.held.all, "the job is not run")
        runner.held.release_all()
        done.result(PATIENCE_S)
    assert store.ends == [] and store.queued == {job_id}


def test_a_job_whose_claim_was_on_its_way_is_given_back(
    runner: JobRunner, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = store.claim

    def late(job_id: str, worker: str) -> Claim | None:
        claimed = claim(job_id, worker)
        runner.held.release_all()
        return claimed

    monkeypatch.setattr(store, "claim", late)
    job_id = store.add()
    runner.accept(job_id, suspect=False)
    assert store.queued == {job_id} and model.most_inside == 0 and not runner.held.all()
