"""An outage of the store loses no outcome, runs no job twice, and does not end the thread that all depends on."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from contracts.store.attempts.outcomes import Outcome
from contracts.store.attempts.turn import Turn
from contracts.store.clock import steady_s
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.fakes import OUTPUT, QUEUE, SUSPECTS, FakeModel, FakeStore, Gate
from tests.unit.attempts.test_intake import run_all
from workers.runtime.attempts import intake as intake_module
from workers.runtime.attempts import standstill
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.intake import Intake


def test_jobs_are_taken_once_the_store_is_back_without_another_message(intake: Intake, store: FakeStore) -> None:
    store.add()
    store.outage["turn"] = 20
    run_all(intake, store, 1)
    assert len(store.calls) >= 22


def test_answers_are_recorded_once_the_store_is_back(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    gate = Gate()
    model.wait_for(gate)
    ids = [store.add() for _ in range(5)]
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 5, "the jobs did not begin")
    store.outage["turn"] = 20
    gate.open()
    run_all(intake, store, 5)
    assert sorted(end[0] for end in store.ends) == sorted(ids) and store.ends[0][2]["output"] == OUTPUT


@pytest.mark.parametrize("cut_off", ["outage", "standstill"])
def test_jobs_in_hand_are_kept_when_their_leases_were_over(
    intake: Intake, store: FakeStore, model: FakeModel, cut_off: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has given them to the queue meanwhile, where the next turn would find them."""
    gate = Gate()
    model.wait_for(gate)
    ids = [store.add() for _ in range(5)]
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 5, "the jobs did not begin")
    if cut_off == "outage":
        store.outage["turn"] = 1
    else:
        later_s = steady_s() + store.lease_s
        monkeypatch.setattr(standstill, "steady_s", lambda: later_s)
        wait_until(lambda: intake._standstill._happened, "the standstill was not noticed")
    for job_id in ids:
        store.lose_lease(job_id)
    intake.wake(QUEUE)
    wait_until(lambda: "renew" in store.calls, "the leases were not renewed")
    gate.open()
    run_all(intake, store, 5)
    assert store.attempts == dict.fromkeys(ids, 1)


def test_a_lost_reply_loses_no_job_and_starts_none_twice(intake: Intake, store: FakeStore) -> None:
    ids = [store.add() for _ in range(20)]
    store.lost_replies = 3
    run_all(intake, store, 20)
    assert store.attempts == dict.fromkeys(ids, 1)


def test_jobs_of_a_lost_reply_are_found_even_if_no_more_are_wanted(intake: Intake, store: FakeStore) -> None:
    """Otherwise nobody would run them before their leases are over, and somebody would be blamed for that."""
    first, waiting = store.add(), [store.add() for _ in range(30)]
    original = store.turn

    def lose_reply_and_drain(worker: str, outcomes: Sequence[Outcome] = (), **rest: Any) -> Turn:
        if not store.turns:
            store.lost_replies = 1
            intake.begin_drain()
        return original(worker, outcomes, **rest)

    store.turn = lose_reply_and_drain  # type: ignore[method-assign]
    intake.wake(QUEUE)
    wait_until(lambda: len(store.ends) == 16 and not intake.held.all(), "the jobs of the lost reply were not found")
    assert first in store.statuses() and set(store.queued) == set(waiting[15:]), "a draining worker takes no more"


def test_a_queue_that_has_work_since_a_lost_reply_is_looked_into(intake: Intake, store: FakeStore) -> None:
    """The call that is made again finds what it has started before, and looks nowhere else."""
    first, others = store.add(), list[str]()
    original = store.turn

    def lose_reply(worker: str, outcomes: Sequence[Outcome] = (), **rest: Any) -> Turn:
        if not store.turns:
            store.lost_replies = 1
            intake.wake(SUSPECTS)
        elif not others:
            others.append(store.add(group="g"))
        return original(worker, outcomes, **rest)

    store.turn = lose_reply  # type: ignore[method-assign]
    intake.wake(QUEUE)
    wait_until(lambda: others and set(store.statuses()) == {first, *others}, "a wake-up was lost with the reply")


def test_an_outcome_that_the_store_refuses_does_not_stop_the_others(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    gate = Gate()
    model.wait_for(gate)
    ids = [store.add() for _ in range(10)]
    store.refused.add(ids[4])
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 10, "the jobs did not begin")
    gate.open()
    wait_until(lambda: len(store.ends) == 9, "the other jobs did not end")
    later = store.add()
    intake.wake(QUEUE)
    wait_until(lambda: later in store.statuses(), "later jobs do not run")
    store.refused.clear()
    run_all(intake, store, 11)


def test_an_error_of_ours_does_not_end_the_intake(
    intake: Intake, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, errors = store.turn, [UnicodeDecodeError("utf-8", b"\xff", 0, 1, "an unexpected reply"), MemoryError()]

    def broken(*args: Any, **rest: Any) -> Turn:
        if errors:
            raise errors.pop()
        return original(*args, **rest)

    monkeypatch.setattr(store, "turn", broken)
    for _ in range(3):
        store.add()
    run_all(intake, store, 3)


def test_a_wake_up_that_is_lost_by_an_error_of_ours_is_made_up_for(
    intake: Intake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a task waits for may come while the intake fails. It looks at all jobs now and then."""
    gate = Gate()
    model.wait_for(gate)
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: model.begun, "the job did not begin")
    monkeypatch.setattr(Attempt, "resume", lambda attempt: None)
    gate.open()
    run_all(intake, store, 1)


def test_progress_that_can_not_be_recorded_does_not_fail_the_job(
    intake: Intake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    model.wait_for(gate)
    monkeypatch.setattr("workers.runtime.engine.work.Work.progress", (1, 2))
    store.outage["progress"] = 1
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: "progress" in store.calls, "no progress was recorded")
    gate.open()
    run_all(intake, store, 1)
    assert store.ends[0][1] == "succeeded"


def test_jobs_are_taken_and_ended_while_no_progress_can_be_recorded(
    intake: Intake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "PROGRESS_PERIOD_S", 0.0)
    monkeypatch.setattr(intake_module, "RETRY_PAUSE_S", PATIENCE_S)
    parts = count(1)
    monkeypatch.setattr("workers.runtime.engine.work.Work.progress", property(lambda work: (next(parts), 1_000_000)))
    store.outage["progress"] = 1_000_000
    gate = Gate()
    model.wait_for(gate)
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: store.calls.count("progress") >= 3, "no progress was recorded")
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 2, "no jobs are taken")
    gate.open()
    run_all(intake, store, 2)
    assert {status for _, status, _ in store.ends} == {"succeeded"}
