"""Jobs wait in their queue while there is no memory for them: small ones never, large ones in turn, none for ever."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from workers.runtime.attempts.runner import JobRunner

from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.fakes import BUDGET_BYTES, FakeModel, FakeStore
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.room import MAX_WAITING, JobRoom

SHARE, COMMON = BUDGET_BYTES // 32, BUDGET_BYTES // 2


class Held:
    """Lets the jobs of a runner wait until the test releases them, and knows which ones run."""

    def __init__(self, runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
        self._runner, self._store = runner, store
        self._gates: dict[str, threading.Event] = {}
        self._pool = ThreadPoolExecutor(16)
        self._messages: list[Future[None]] = []
        model.behave = self._wait

    def _wait(self, attempt: Attempt) -> None:
        assert self._gates.setdefault(attempt.claim.id, threading.Event()).wait(PATIENCE_S)

    def start(self, num_bytes: int) -> str:
        """Deliver the message of a new job; return when it runs, or when its thread has left it in the queue."""
        job_id = self._store.add(num_bytes=num_bytes)
        self.deliver(job_id)
        return job_id

    def deliver(self, job_id: str) -> "Future[None]":
        done: Future[None] = self._pool.submit(self._runner.accept, job_id, suspect=False)
        self._messages.append(done)
        wait_until(lambda: done.done() or job_id in self.running(), "the message was not handled")
        return done

    def running(self) -> set[str]:
        return {attempt.claim.id for attempt in self._runner.held.all()}

    def finish(self, job_id: str) -> None:
        """Let a job end; return when its thread has looked for another one, and either runs it or is done."""
        self._gates.setdefault(job_id, threading.Event()).set()
        wait_until(lambda: job_id in {end[0] for end in self._store.ends}, "the job did not end")
        wait_until(lambda: job_id not in self.running() and self._settled(), "the thread of the job did not look on")

    def _settled(self) -> bool:
        return sum(not message.done() for message in self._messages) == len(self.running())


def test_large_jobs_wait_in_their_queue_until_there_is_memory(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    held = Held(runner, store, model)
    first, second = held.start(COMMON - 200), held.start(200)
    third, fourth = held.start(COMMON - 300), held.start(150)
    assert held.running() == {first, second}
    assert store.queued == {third, fourth}, "other workers can't find what waits here"
    held.finish(second)
    assert held.running() == {first}, "a job overtook a larger one, which so might wait for ever"
    held.finish(first)
    assert held.running() == {third}, "the job did not get its turn"
    small = held.start(0)
    held.finish(small)  # its thread looks for large ones, too
    assert held.running() == {third, fourth}, "there is memory, and a thread came by"
    held.finish(third)
    held.finish(fourth)


def test_jobs_within_the_share_of_a_thread_never_wait(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    held = Held(runner, store, model)
    large, waiting = held.start(COMMON), held.start(COMMON)
    small = [held.start(SHARE) for _ in range(10)]
    assert held.running() == {large, *small}
    for job_id in (*small, large, waiting):
        held.finish(job_id)


def test_a_job_above_all_limits_runs_when_no_other_large_one_does(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    held = Held(runner, store, model)
    large, giant = held.start(SHARE + 1), held.start(1000 * COMMON)
    assert held.running() == {large}
    held.finish(large)
    assert held.running() == {giant}, "the job did not get its turn"
    held.finish(giant)


def test_a_job_that_waits_here_and_ran_elsewhere_is_forgotten(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    held = Held(runner, store, model)
    first, gone, last = (held.start(COMMON) for _ in range(3))
    held.deliver(gone).result(PATIENCE_S)  # the message comes twice
    store.queued.remove(gone)
    held.finish(first)
    assert held.running() == {last}, "the line stands still"
    held.finish(last)
    assert [end[0] for end in store.ends] == [first, last]


def test_a_stopping_worker_leaves_what_waits_to_others(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    held = Held(runner, store, model)
    first, waiting = held.start(COMMON), held.start(COMMON)
    runner.begin_drain()
    held.finish(first)
    assert not held.running() and store.queued == {waiting}


def test_suspects_run_whatever_they_take(runner: JobRunner, store: FakeStore) -> None:
    job_id = store.add(suspect=True, num_bytes=1000 * COMMON)
    runner.accept(job_id, suspect=True)
    wait_until(lambda: [end[0] for end in store.ends] == [job_id], "the suspect did not run")


def test_the_line_has_an_end() -> None:
    room = JobRoom(BUDGET_BYTES, 16)
    for number in range(2 * MAX_WAITING):
        room.wait_for(str(number), 1)
    taken = 0
    while room.take():
        taken += 1
    assert taken == MAX_WAITING


def test_without_any_memory_jobs_run_one_at_a_time() -> None:
    room = JobRoom(0, num_threads=4)
    assert room.share.num_bytes == 0
    for name in ("one", "two"):
        room.wait_for(name, 1000)
    first = room.take()
    assert first is not None and room.take() is None
    room.give_back(first)
    assert room.take() is not None
