"""A worker that leaves ends the jobs in hand, releases those that take too long, and takes none afterwards."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from contracts.jobs import Claim
from contracts.store.attempts.outcomes import Outcome
from contracts.store.attempts.turn import Turn
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.fakes import QUEUE, SUSPECTS, FakeModel, FakeStore, Gate
from workers.runtime.attempts import intake as intake_module
from workers.runtime.attempts.intake import Intake


@pytest.fixture
def gate(model: FakeModel) -> Gate:
    """What all jobs wait for."""
    gate = Gate()
    model.wait_for(gate)
    return gate


@pytest.fixture
def start(intake: Intake, store: FakeStore, model: FakeModel) -> Callable[[], str]:
    """Start a job that waits for the gate."""

    def start() -> str:
        job_id, num_begun = store.add(), len(model.begun)
        intake.wake(QUEUE)
        wait_until(lambda: len(model.begun) > num_begun, "the job did not begin")
        return job_id

    return start


def test_a_drain_waits_for_the_jobs_in_hand_and_takes_no_others(
    intake: Intake, store: FakeStore, gate: Gate, start: Callable[[], str]
) -> None:
    first = start()
    intake.begin_drain()
    waiting = store.add()
    intake.wake(QUEUE)
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(intake.drain, PATIENCE_S)
        gate.open()
        drained.result(PATIENCE_S)
    assert store.statuses() == {first: "succeeded"} and set(store.queued) == {waiting}
    assert "release" not in store.calls or store.attempts[first] == 1


def test_released_jobs_are_queued_again_and_stop(
    intake: Intake, store: FakeStore, model: FakeModel, gate: Gate, start: Callable[[], str]
) -> None:
    job_id = start()
    intake.drain(0.01)
    assert model.begun[0].should_stop and set(store.queued) == {job_id}
    wait_until(lambda: not intake.held.all(), "the job did not stop")
    assert store.ends == []


def test_an_attempt_that_could_not_be_released_does_not_retry_its_outcome_for_ever(
    intake: Intake, store: FakeStore, start: Callable[[], str], gate: Gate
) -> None:
    start()
    store.outage["release"] = 1
    store.outage["turn"] = 10**9
    intake.held.release_all()
    gate.open()
    wait_until(lambda: not intake.held.all(), "the intake still retries")


@pytest.mark.parametrize("queue", [QUEUE, SUSPECTS])
def test_messages_after_the_release_are_left_to_other_workers(intake: Intake, store: FakeStore, queue: str) -> None:
    intake.drain(0.01)
    job_id = store.add(group="g" if queue == SUSPECTS else "")
    intake.wake(queue)
    wait_until(lambda: intake._inbox.is_empty, "the message was not read")
    assert not intake.has_room and set(store.queued) == {job_id} and store.attempts[job_id] == 0


def test_a_job_that_stops_before_it_is_released_is_not_cancelled(
    intake: Intake, store: FakeStore, start: Callable[[], str], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, release = start(), store.release

    def last(claims: Iterable[Claim]) -> None:
        wait_until(lambda: not intake.held.all(), "the job was not stopped")
        release(claims)

    monkeypatch.setattr(store, "release", last)
    intake.held.release_all()
    assert store.ends == [] and set(store.queued) == {job_id}


def test_the_worker_does_not_end_during_a_release(
    intake: Intake, store: FakeStore, start: Callable[[], str], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the drain time is over, jobs stop before they are released. With the last one the process could end."""
    job_id, release, may_release = start(), store.release, threading.Event()

    def slow(claims: Iterable[Claim]) -> None:
        assert may_release.wait(PATIENCE_S)
        release(claims)

    def drained() -> set[str]:
        intake.drain(0.01)
        return set(store.queued)

    monkeypatch.setattr(store, "release", slow)
    with ThreadPoolExecutor() as pool:
        timer = pool.submit(intake.held.release_all)
        wait_until(lambda: not intake.held.all(), "the job was not stopped")
        ended = pool.submit(drained)
        wait([ended], 0.2)  # too short on a busy machine, this would only notice less
        may_release.set()
        timer.result(PATIENCE_S)
        assert ended.result(PATIENCE_S) == {job_id}


def test_a_job_that_is_claimed_during_the_release_is_released(
    intake: Intake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = store.turn

    def late(worker: str, outcomes: Sequence[Outcome] = (), **rest: Any) -> Turn:
        claimed = turn(worker, outcomes, **rest)
        intake.held.release_all()
        return claimed

    monkeypatch.setattr(store, "turn", late)
    job_id = store.add()
    intake.wake(QUEUE)
    wait_until(lambda: "release" in store.calls and job_id in store.queued, "the job was not released")
    assert model.begun == [] and not intake.held.all()


def test_a_job_of_a_lost_reply_is_released_too(
    intake: Intake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = store.turn

    def lose_reply(worker: str, outcomes: Sequence[Outcome] = (), **rest: Any) -> Turn:
        if not store.turns:
            store.lost_replies = 1
            intake.held.release_all()
        return turn(worker, outcomes, **rest)

    monkeypatch.setattr(store, "turn", lose_reply)
    job_id = store.add()
    intake.wake(QUEUE)
    wait_until(lambda: store.attempts[job_id] == 1 and job_id in store.queued, "the job was not released")
    assert model.begun == [] and not intake.held.all()


def test_a_worker_that_has_released_its_jobs_asks_for_none_and_takes_no_message(
    intake: Intake, store: FakeStore
) -> None:
    intake.held.release_all()
    job_id = store.add()
    intake.wake(QUEUE)
    wait_until(lambda: not intake.has_room, "the worker takes messages")
    wait_until(lambda: intake._wait_s() == intake_module.LOOK_PERIOD_S, "the intake does not wait")
    assert "turn" not in store.calls and set(store.queued) == {job_id}


def test_a_drain_waits_for_a_call_that_may_bring_jobs(
    intake: Intake, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the process could end with jobs that nobody knows of until their leases are over."""
    turn, entered, may_return = store.turn, threading.Event(), threading.Event()

    def slow(worker: str, outcomes: Sequence[Outcome] = (), **rest: Any) -> Turn:
        reply = turn(worker, outcomes, **rest)
        entered.set()
        assert may_return.wait(PATIENCE_S)
        return reply

    monkeypatch.setattr(store, "turn", slow)
    job_id = store.add()
    intake.wake(QUEUE)
    assert entered.wait(PATIENCE_S)
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(intake.drain, PATIENCE_S)
        wait([drained], 0.2)  # too short on a busy machine, this would only notice less
        may_return.set()
        drained.result(PATIENCE_S)
    assert store.statuses() == {job_id: "succeeded"}
