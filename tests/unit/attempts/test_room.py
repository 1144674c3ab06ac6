"""Jobs wait in their queue while there is no memory for them: small ones in order, large ones in turn, none forever."""

import pytest

from contracts.store.attempts.turn import LargeJob
from tests.support.attempts import make_attempt
from tests.support.waiting import wait_until
from tests.unit.attempts.fakes import BUDGET_BYTES, QUEUE, SUSPECTS, FakeModel, FakeStore, Gate
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.room import JobRoom

HALF = BUDGET_BYTES // 2
MOST = HALF - HALF // 4
"""Of the jobs of one flow."""
LARGE = MOST + 1


class Held:
    """Lets the jobs of an intake wait until the test lets them end, and knows which ones run."""

    def __init__(self, intake: Intake, store: FakeStore, model: FakeModel) -> None:
        self._intake, self._store = intake, store
        self._gates: dict[str, Gate] = {}
        model.behave = self._wait

    async def _wait(self, attempt: Attempt) -> None:
        await self._gates.setdefault(attempt.claim.id, Gate()).wait(attempt)

    def add(self, num_bytes: int) -> str:
        """Submit a job; return when the worker has looked for it."""
        job_id = self._store.add(num_bytes=num_bytes)
        self.look()
        return job_id

    def look(self) -> None:
        """Wake the worker; return when it has done all that it can."""
        num_calls = len(self._store.calls)
        self._intake.wake(QUEUE)
        if self._intake.has_room:
            wait_until(lambda: len(self._store.calls) > num_calls, "the worker did not look")
        wait_until(lambda: self._intake._inbox.is_empty and self._gates.keys() >= self.running(), "jobs did not begin")

    def running(self) -> set[str]:
        return {attempt.claim.id for attempt in self._intake.held.all()}

    def finish(self, job_id: str) -> None:
        self._gates[job_id].open()
        wait_until(lambda: job_id in self._store.statuses(), "the job did not end")
        self.look()


def test_large_jobs_run_one_at_a_time_beside_small_ones(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    held = Held(intake, store, model)
    first, second, third = held.add(LARGE), held.add(1000 * LARGE), held.add(LARGE)
    small = [held.add(HALF // 10) for _ in range(4)]
    wait_until(lambda: held.running() == {first, *small}, "small jobs wait for large ones")
    assert set(store.queued) == {second, third}, "other workers can't find what waits here"
    held.finish(first)
    wait_until(lambda: held.running() == {second, *small}, "the oldest large job did not get its turn")
    held.finish(second)
    wait_until(lambda: held.running() == {third, *small}, "the next large job did not get its turn")


def test_small_jobs_wait_until_there_is_memory(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    held = Held(intake, store, model)
    first, second = held.add(MOST - 400), held.add(200)
    wait_until(lambda: not intake.has_room, "there is room for messages without memory for jobs")
    third = held.add(100)
    assert held.running() == {first, second}
    held.finish(second)
    wait_until(lambda: held.running() == {first, third}, "the memory was not given back")


def test_a_large_job_that_waits_here_and_ran_elsewhere_is_forgotten(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    held = Held(intake, store, model)
    first, gone, last = (held.add(LARGE) for _ in range(3))
    del store.queued[gone]
    held.finish(first)
    wait_until(lambda: held.running() == {last}, "the line stands still")


def test_a_large_job_that_became_a_suspect_elsewhere_waits_for_those_in_hand(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    """It may have to run alone, or nobody knows of whom the worker dies."""
    held = Held(intake, store, model)
    first, large = held.add(LARGE), held.add(LARGE)
    suspect = store.add(group="g")
    intake.wake(SUSPECTS)
    wait_until(lambda: held.running() == {first, suspect}, "the suspect was not taken")
    store.groups[large] = large
    held.finish(first)
    assert held.running() == {suspect}
    held.finish(suspect)
    wait_until(lambda: held.running() == {large}, "it was never taken")


def test_large_jobs_that_wait_do_not_make_the_worker_ask_again_and_again(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    held = Held(intake, store, model)
    for _ in range(2):
        held.add(LARGE)
    num_calls = len(store.calls)
    for _ in range(3):
        held.look()
    assert len(store.calls) <= num_calls + 3, "the worker asks without being woken"


def test_a_stopping_worker_leaves_what_waits_to_others(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    held = Held(intake, store, model)
    first, waiting = held.add(LARGE), held.add(LARGE)
    intake.begin_drain()
    held.finish(first)
    wait_until(lambda: not held.running(), "the job did not end")
    assert set(store.queued) == {waiting}


@pytest.mark.parametrize("num_bytes", [MOST // 2, LARGE])
def test_an_earlier_attempt_at_a_job_frees_its_own_memory_only(num_bytes: int) -> None:
    """A worker that has lost the lease of a job may get it again before its first attempt has stopped."""
    room = JobRoom(BUDGET_BYTES)
    first, second = (make_attempt(num_bytes=num_bytes) for _ in range(2))
    room.reserve(first)
    used = room.free_bytes
    room.reserve(second)
    assert room.free_bytes == used - num_bytes
    room.wait_for(LargeJob("other", LARGE))
    room.give_back(first)
    assert room.free_bytes == used
    assert room.next_large == ("other" if num_bytes < LARGE else None)
    room.give_back(second)
    assert room.free_bytes == MOST and room.next_large == "other"


def test_a_job_that_was_lost_and_got_again_has_its_memory_when_the_first_attempt_has_stopped(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    held = Held(intake, store, model)
    first = held.add(MOST // 3)
    store.lose_lease(first)
    held.look()
    wait_until(
        lambda: store.attempts[first] == 2 and len(intake._jobs) == 1 and not intake._turns.is_due,
        "the first attempt did not stop",
    )
    second = held.add(MOST - MOST // 4)
    assert held.running() == {first}
    held.finish(first)
    wait_until(lambda: held.running() == {second}, "the memory was not given back")


def test_without_any_memory_jobs_run_one_at_a_time() -> None:
    room = JobRoom(0)
    assert room.for_all.num_bytes == room.for_all.most_bytes == 1
    attempt = make_attempt(num_bytes=1000)
    room.reserve(attempt)
    assert room.for_all.num_bytes == 1 and room.give_back(attempt)
