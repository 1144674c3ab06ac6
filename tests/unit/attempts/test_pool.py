"""What takes long runs on a few threads, and neither quick jobs nor stops and timeouts wait for these threads."""

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import pytest

from contracts.errors import ExecutionTimeout
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.conftest import MakeIntake
from tests.unit.attempts.fakes import BUDGET_BYTES, QUEUE, FakeModel, FakeStore, Gate
from workers.runtime.attempts import running_jobs
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.places import MAX_IN_POOL
from workers.runtime.attempts.running_jobs import Advanced

LONG_BYTES = BUDGET_BYTES // 64
NUM_THREADS = 2
"""Of those of the pool: one is for other flows."""


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs of the sizes that fit into the tests' memory be long ones."""
    monkeypatch.setattr(running_jobs, "QUICK_BYTES", LONG_BYTES - 1)


class BrokenGate:
    """Open, but fails when the intake looks at it for the first time."""

    has_failed = False

    @property
    def finished(self) -> bool:
        if threading.current_thread().name == "intake" and not self.has_failed:
            self.has_failed = True
            raise RuntimeError("a bug of ours")
        return True

    def __await__(self) -> Generator[Self, None, None]:
        yield self


class Long:
    """Lets long jobs occupy their threads until the test ends that; all others end at once."""

    def __init__(self, model: FakeModel) -> None:
        self.may_end = threading.Event()
        self.threads: list[str] = []
        model.behave = self._work

    async def _work(self, attempt: Attempt) -> None:
        self.threads.append(threading.current_thread().name)
        if attempt.claim.num_bytes >= LONG_BYTES:
            assert self.may_end.wait(PATIENCE_S)


def test_quick_jobs_go_on_while_all_threads_are_busy(intake: Intake, store: FakeStore, model: FakeModel) -> None:
    work = Long(model)
    for _ in range(NUM_THREADS + 2):
        store.add(num_bytes=LONG_BYTES)
    intake.wake(QUEUE)
    wait_until(lambda: len(work.threads) == NUM_THREADS, "the long jobs did not begin")
    quick = [store.add() for _ in range(20)]
    intake.wake(QUEUE)
    wait_until(lambda: store.statuses().keys() == set(quick), "quick jobs wait for long ones")
    work.may_end.set()
    wait_until(lambda: len(store.ends) == 20 + NUM_THREADS + 2, "the long jobs did not end")
    assert "intake" not in work.threads[:NUM_THREADS] and work.threads.count("intake") == 20


def test_jobs_that_would_only_wait_for_threads_are_left_to_others(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    work = Long(model)
    for _ in range(4 * MAX_IN_POOL):
        store.add(num_bytes=LONG_BYTES)
    intake.wake(QUEUE)
    wait_until(lambda: len(work.threads) == NUM_THREADS and not intake.has_room, "the worker takes more")
    assert len(store.queued) >= 2 * MAX_IN_POOL
    work.may_end.set()
    wait_until(lambda: len(store.ends) == 4 * MAX_IN_POOL, "the jobs did not end")


def test_a_job_that_stops_before_a_thread_is_free_never_begins(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    work = Long(model)
    ids = [store.add(num_bytes=LONG_BYTES) for _ in range(NUM_THREADS + 1)]
    store.cancelled.add(ids[-1])
    intake.wake(QUEUE)
    wait_until(lambda: len(work.threads) == NUM_THREADS and len(intake.held.all()) == 3, "the jobs did not begin")
    intake.held.stop(ids[-1], 1)
    wait_until(lambda: store.statuses() == {ids[-1]: "cancelled"}, "the job waits for a thread to stop")
    work.may_end.set()
    wait_until(lambda: len(store.ends) == 3, "the other jobs did not end")
    assert len(work.threads) == NUM_THREADS, "a job began that nobody wants"


def test_a_job_whose_time_is_over_before_a_thread_is_free_fails(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    work = Long(model)
    for _ in range(NUM_THREADS):
        store.add(num_bytes=LONG_BYTES)
    late = store.add(num_bytes=LONG_BYTES, timeout_s=0.2)
    intake.wake(QUEUE)
    wait_until(lambda: store.statuses() == {late: "failed"}, "the job waits for a thread to fail")
    assert store.ends[0][2]["error_code"] == ExecutionTimeout().code
    work.may_end.set()


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_job_that_waits_fails_when_its_time_is_over(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, is_quick: bool
) -> None:
    intake = make_intake(model.served(is_quick=is_quick))
    model.wait_for(Gate())
    store.add(timeout_s=0.1)
    intake.wake(QUEUE)
    wait_until(lambda: store.ends, "the job waits for ever")
    assert store.ends[0][2]["error_code"] == ExecutionTimeout().code


def test_what_comes_while_a_job_is_in_the_pool_is_not_missed(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel
) -> None:
    """A task that waits for something which is there before its thread has returned would wait for ever."""
    intake = make_intake(model.served(is_quick=False))

    async def wait_for_what_is_there(attempt: Attempt) -> None:
        gate = Gate()
        attempt.resume()  # comes too early
        gate.finished = True
        await gate

    model.behave = wait_for_what_is_there
    for _ in range(50):
        store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(store.ends) == 50, "jobs wait for what is there")


def test_jobs_end_even_if_celery_has_stopped_its_pool(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, pool: ThreadPoolExecutor
) -> None:
    intake = make_intake(model.served(is_quick=False))
    pool.shutdown()
    store.add()
    intake.wake(QUEUE)
    wait_until(lambda: [end[1] for end in store.ends] == ["succeeded"], "the job did not end")


def fail_to_start(monkeypatch: pytest.MonkeyPatch, num_started: int = 0) -> None:
    """Let the system have so many more threads for a pool, and then no other."""
    start, left = threading.Thread.start, [num_started]

    def start_if_any_left(thread: threading.Thread) -> None:
        if thread.name.startswith("ThreadPoolExecutor"):
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_if_any_left)


def test_a_worker_that_runs_needs_no_new_thread(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An executor that can't start one runs the job all the same: it would run twice at once."""
    intake = make_intake(model.served(is_quick=False))
    fail_to_start(monkeypatch)
    work = Long(model)
    work.may_end.set()
    for _ in range(50):
        store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(store.ends) == 50, "jobs were lost")
    assert set(store.statuses().values()) == {"succeeded"} and set(store.attempts.values()) == {1}
    assert "intake" not in work.threads and len(work.threads) == 50
    wait_until(lambda: not intake.held.all() and not intake._jobs.num_in_pool, "jobs are held for ever")


def test_a_worker_without_threads_for_its_pool_does_not_begin(
    make_intake: MakeIntake, store: FakeStore, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_start(monkeypatch, num_started=1)
    store.add()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        make_intake()
    pool.shutdown()  # returns, because the thread that was started waits no longer for the others
    assert not store.calls


def test_a_job_that_can_not_be_taken_back_does_not_lose_what_has_come_with_it(
    intake: Intake, store: FakeStore, model: FakeModel
) -> None:
    broken, messages = BrokenGate(), intake._inbox._messages

    async def come_back_in_order(attempt: Attempt) -> None:
        if attempt.claim.id == ids[0]:
            await broken
        elif attempt.claim.id == ids[1]:
            wait_until(lambda: messages.qsize() == 1, "the first job does not come back")
        else:  # the intake is here until both have come back
            wait_until(lambda: messages.qsize() == 2, "the jobs do not come back")

    model.behave = come_back_in_order
    ids = [store.add(num_bytes=LONG_BYTES), store.add(num_bytes=LONG_BYTES), store.add()]
    intake.wake(QUEUE)
    wait_until(lambda: len(store.ends) == 3, "a job was lost")
    assert store.statuses() == dict.fromkeys(ids, "succeeded") and broken.has_failed
    wait_until(lambda: not intake.held.all() and not intake._jobs.num_in_pool, "jobs are held for ever")


def test_a_job_that_comes_back_twice_from_the_pool_ends_once(
    make_intake: MakeIntake, store: FakeStore, model: FakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    intake = make_intake(model.served(is_quick=False))

    def report_twice(job: Advanced) -> None:
        intake._inbox.put(job)
        intake._inbox.put(job)

    intake._jobs._report = report_twice
    for _ in range(20):
        store.add()
    intake.wake(QUEUE)
    wait_until(lambda: len(store.ends) == 20 and intake._inbox.is_empty, "jobs were lost")
    wait_until(lambda: not intake.held.all() and not intake._jobs.num_in_pool, "jobs are held for ever")
    assert set(store.statuses().values()) == {"succeeded"} and not caplog.records
