"""A worker that has something to do takes a message now and then only, and misses none."""

import pytest

from tests.support.waiting import wait_until
from tests.unit.attempts.fakes import NEWCOMERS, QUEUE, FakeModel, FakeStore, Gate
from workers.runtime.attempts import listening as listening_module
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.listening import PERIOD_S, Listening


@pytest.fixture
def long_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening_module, "PERIOD_S", 3600.0)


@pytest.mark.usefixtures("long_period")
@pytest.mark.parametrize("queue", [QUEUE, NEWCOMERS])
def test_a_worker_with_jobs_in_hand_listens_no_more_for_a_moment(
    queue: str, intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    gate, told = Gate(), list[bool]()
    intake.when_room(lambda: told.append(intake.is_listening))
    model.wait_for(gate)
    store.add()
    assert intake.is_listening
    intake.wake(queue)
    assert not intake.is_listening, "the next message would be taken before this one is looked at"
    wait_until(lambda: len(model.begun) == 1 and intake._inbox.is_empty, "the job was not taken")
    assert not intake.is_listening and not told
    gate.open()
    wait_until(lambda: intake.is_listening and told == [True], "an idle worker does not listen, or nobody was told")


def test_it_listens_again_although_its_jobs_go_on(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    told: list[bool] = []
    intake.when_room(lambda: told.append(intake.is_listening))
    model.wait_for(Gate())
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(model.begun) == 1, "the job was not taken")
    wait_until(lambda: intake.is_listening and told == [True], "the worker does not listen, or nobody was told")


@pytest.mark.usefixtures("long_period")
def test_an_idle_worker_that_finds_nothing_listens_at_once(intake: Intake) -> None:
    for _ in range(100):
        intake.wake(QUEUE)
        wait_until(lambda: intake.is_listening, "the worker does not listen")


def test_a_message_that_is_on_its_way_to_the_intake_counts() -> None:
    listening = Listening()
    listening.note_taken()
    assert not listening.resume(0.0, is_idle=True) and not listening.is_on
    listening.note_received(1, now=0.0)
    listening.note_taken()
    assert not listening.resume(0.0, is_idle=False)
    assert listening.resume(PERIOD_S, is_idle=False) and not listening.is_on, "the second one was not received"
    listening.note_received(1, now=PERIOD_S)
    assert listening.wait_s(1.5 * PERIOD_S) == pytest.approx(PERIOD_S / 2)
    assert listening.resume(PERIOD_S, is_idle=True) and listening.is_on
