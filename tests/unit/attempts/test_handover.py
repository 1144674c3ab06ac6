"""A quick task that hands itself over to the pool before something that takes long."""

import threading

from tests.support.waiting import wait_until
from tests.unit.attempts.conftest import MakeIntake
from tests.unit.attempts.fakes import QUEUE, FakeModel, FakeStore, Gate
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.engine.handle import Handover


def test_what_takes_long_runs_on_the_pool_and_the_rest_in_the_intake(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel
) -> None:
    gate = Gate()
    threads: list[str] = []

    async def behave(attempt: Attempt) -> None:
        threads.append(threading.current_thread().name)
        await Handover()
        threads.append(threading.current_thread().name)
        await gate.wait(attempt)
        threads.append(threading.current_thread().name)

    model.behave = behave
    job_id = store.add()
    make_intake().wake(QUEUE)
    wait_until(lambda: len(threads) == 2, "the task was not handed over")
    gate.open()
    wait_until(lambda: store.statuses().get(job_id) == "succeeded", "the task did not end")
    assert [name.startswith("ThreadPool") for name in threads] == [False, True, False]


def test_while_one_task_takes_long_others_go_on(make_intake: MakeIntake, store: FakeStore, model: FakeModel) -> None:
    blocked, release = threading.Event(), threading.Event()

    async def behave(attempt: Attempt) -> None:
        if attempt.claim.id == slow:
            await Handover()
            blocked.set()
            release.wait()

    model.behave = behave
    slow, others = store.add(), [store.add() for _ in range(5)]
    make_intake().wake(QUEUE)
    try:
        assert blocked.wait(60)
        wait_until(lambda: set(others) <= set(store.statuses()), "the others wait for the slow task")
        assert slow not in store.statuses()
    finally:
        release.set()
    wait_until(lambda: slow in store.statuses(), "the slow task did not end")
