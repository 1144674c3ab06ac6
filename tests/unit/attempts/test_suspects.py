"""Suspects are taken as whole groups, after those that wait, and keep the group in which they share model calls."""

from tests.support.waiting import wait_until
from tests.unit.attempts.conftest import MakeIntake
from tests.unit.attempts.fakes import QUEUE, SUSPECTS, FakeModel, FakeStore, Gate
from workers.runtime.attempts.sources import SUSPECTS_TURN


def test_a_group_is_taken_whole_by_a_worker_for_one_job(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel
) -> None:
    intake, gate = make_intake(max_jobs=1), Gate()
    model.wait_for(gate)
    ids = [store.add(group="g") for _ in range(8)]
    other = store.add(group="h")
    intake.wake(SUSPECTS)
    wait_until(lambda: len(model.begun) == 8, "the group was not taken")
    assert {attempt.claim.id for attempt in model.begun} == set(ids)
    assert {attempt.group for attempt in model.begun} == {"g"} and not intake.has_room
    gate.open()
    wait_until(lambda: len(store.ends) == 9 and not intake.held.all(), "the jobs did not end")
    assert other in store.statuses()


def test_a_group_that_is_larger_than_any_should_be_does_not_stay_in_hand(
    make_intake: MakeIntake, store: FakeStore
) -> None:
    intake = make_intake(max_jobs=1)
    ids = [store.add(group="g") for _ in range(20)]
    intake.wake(SUSPECTS)
    wait_until(lambda: set(store.statuses()) == set(ids) and not intake.held.all(), "the jobs did not end")
    later = store.add(group="h")
    intake.wake(SUSPECTS)
    wait_until(lambda: later in store.statuses(), "the next suspects were not taken")


def test_suspects_come_after_those_that_wait_but_only_for_a_few_turns(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel
) -> None:
    """They may end the worker again, and with it the work on all others."""
    intake = make_intake(max_jobs=1)
    jobs = [store.add() for _ in range(20)]
    suspect = store.add(group="g")
    intake.wake(SUSPECTS)
    wait_until(lambda: len(store.ends) == 21, "the jobs did not end")
    place = [end[0] for end in store.ends].index(suspect)
    assert 1 <= place <= SUSPECTS_TURN and set(jobs) < set(store.statuses())


def test_suspects_run_whatever_they_take(make_intake: MakeIntake, store: FakeStore) -> None:
    intake = make_intake()
    job_id = store.add(group="g", num_bytes=10**9)
    intake.wake(SUSPECTS)
    wait_until(lambda: job_id in store.statuses(), "the suspect did not run")
    later = store.add(num_bytes=100)
    intake.wake(QUEUE)
    wait_until(lambda: later in store.statuses(), "what the suspect has taken was not given back")


def test_suspects_wait_for_those_in_hand_and_others_do_not(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel
) -> None:
    """One of them may have to run alone. Only those that came together are in one group."""
    intake, gate = make_intake(), Gate()
    model.wait_for(gate)
    first = store.add(group="first")
    intake.wake(SUSPECTS)
    wait_until(lambda: [attempt.claim.id for attempt in model.begun] == [first], "the suspect was not taken")
    second, other = store.add(group="second"), store.add()
    intake.wake(SUSPECTS)
    intake.wake(QUEUE)
    wait_until(lambda: other in {attempt.claim.id for attempt in model.begun}, "the other job was not taken")
    assert second not in {attempt.claim.id for attempt in model.begun}
    num_turns, last_turn = len(store.turns), intake._shared.last_turn()
    intake.wake(SUSPECTS)
    wait_until(lambda: intake._shared.last_turn() > last_turn, "it seems to miss that jobs wait")
    gate.open()
    wait_until(lambda: second in store.statuses(), "the other suspect was never taken")
    assert num_turns <= 4, "the store was asked again and again for what must not be taken"
