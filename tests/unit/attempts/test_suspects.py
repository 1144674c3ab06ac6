"""Suspects run one at a time in a thread of their own, and a stopping worker waits for the one that runs."""

import threading
from concurrent.futures import ThreadPoolExecutor

from workers.runtime.attempts.runner import JobRunner

from contracts.jobs import Claim
from contracts.store.attempt_store import UNLIMITED, Room
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.fakes import FakeModel, FakeStore, start_job
from workers.runtime.attempts.attempt import Attempt


def test_suspects_run_one_at_a_time(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    ids = [store.add(suspect=True) for _ in range(20)]
    isolated: list[bool] = []

    def note(attempt: Attempt) -> None:
        isolated.append(attempt.isolated)

    model.behave = note
    for job_id in ids:
        runner.accept(job_id, suspect=True)
    wait_until(lambda: len(store.ends) == 20, "the suspects did not run")
    assert model.most_inside == 1 and isolated == [True] * 20


def test_an_unexpected_error_does_not_end_the_thread_of_suspects(runner: JobRunner, store: FakeStore) -> None:
    claim = store.claim

    def broken(job_id: str, worker: str, room: Room = UNLIMITED) -> Claim | None:
        store.claim = claim  # type: ignore[method-assign]
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "an unexpected reply")

    store.claim = broken  # type: ignore[method-assign]
    ids = [store.add(suspect=True) for _ in range(2)]
    for job_id in ids:
        runner.accept(job_id, suspect=True)
    wait_until(lambda: store.ends, "the thread of suspects has ended")
    assert store.ends[0][:2] == (ids[1], "succeeded")


def test_a_drain_waits_for_the_running_suspect_and_starts_no_other(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    gate = threading.Event()
    first = start_job(runner, store, model, gate, suspect=True)
    second = store.add(suspect=True)
    runner.accept(second, suspect=True)
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(runner.drain, PATIENCE_S)
        wait_until(runner._suspects._closed.is_set, "the drain did not begin")
        gate.set()
        drained.result(PATIENCE_S)
    assert [end[:2] for end in store.ends] == [(first, "succeeded")]
    assert second in store.queued


def test_a_drain_releases_a_suspect_that_takes_too_long(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    gate = threading.Event()
    job_id = start_job(runner, store, model, gate, suspect=True)
    runner.drain(0.01)
    assert job_id in store.queued
    gate.set()


def test_a_drain_without_suspects_ends_the_thread(runner: JobRunner) -> None:
    runner.drain(PATIENCE_S)
    assert not runner._suspects._thread.is_alive()
