"""A worker that leaves releases its jobs, and runs none afterwards even if Celery still delivers messages."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from workers.runtime.attempts.runner import JobRunner

from contracts.jobs import Claim
from contracts.store.attempt_store import UNLIMITED, Room
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.attempts.fakes import FakeModel, FakeStore, start_job
from workers.runtime.attempts.attempt import Attempt, AttemptStopped


def test_released_jobs_are_queued_again_and_fenced(runner: JobRunner, store: FakeStore, model: FakeModel) -> None:
    gate = threading.Event()
    job_id = start_job(runner, store, model, gate, suspect=False)
    (attempt,) = runner.held.all()
    runner.held.release_all()
    assert attempt.should_stop and job_id in store.queued
    gate.set()
    wait_until(lambda: not runner.held.all(), "the thread did not end")
    assert store.ends == []


def test_an_attempt_that_could_not_be_released_does_not_retry_its_outcome_forever(
    runner: JobRunner, store: FakeStore, model: FakeModel
) -> None:
    gate = threading.Event()
    start_job(runner, store, model, gate, suspect=False)
    store.outage["release"] = 1
    runner.held.release_all()
    store.outage["finish"] = 10**9
    gate.set()
    wait_until(lambda: not runner.held.all(), "the thread still retries")


@pytest.mark.parametrize("suspect", [False, True])
def test_messages_after_the_release_are_left_to_other_workers(
    runner: JobRunner, store: FakeStore, suspect: bool
) -> None:
    job_id = store.add(suspect=suspect)
    runner.drain(0.01)
    runner.accept(job_id, suspect=suspect)
    assert store.queued == {job_id} and store.attempts[job_id] == 0


def test_a_job_that_stops_before_it_is_released_is_not_cancelled(
    runner: JobRunner, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, release = store.add(), store.release

    def stop_with_the_worker(attempt: Attempt) -> None:
        wait_until(lambda: attempt.should_stop, "the attempt was not stopped")
        raise AttemptStopped

    def last(claim: Claim) -> bool:
        wait_until(lambda: not runner.held.all(), "the job was not stopped")
        return release(claim)

    model.behave = stop_with_the_worker
    monkeypatch.setattr(store, "release", last)
    with ThreadPoolExecutor() as pool:
        done = pool.submit(runner.accept, job_id, suspect=False)
        wait_until(runner.held.all, "the job does not run")
        runner.held.release_all()
        done.result(PATIENCE_S)
    assert store.ends == [] and store.queued == {job_id}


def test_the_worker_does_not_end_during_a_release(
    runner: JobRunner, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the drain time is over, jobs stop before they are released. With the last one Celery ends."""
    job_id, release, gate = store.add(), store.release, threading.Event()

    def stop_with_the_worker(attempt: Attempt) -> None:
        wait_until(lambda: attempt.should_stop, "the attempt was not stopped")
        raise AttemptStopped

    def slow(claim: Claim) -> bool:
        gate.wait(PATIENCE_S)
        return release(claim)

    def drained() -> set[str]:
        runner.drain(0.01)
        return set(store.queued)

    model.behave = stop_with_the_worker
    monkeypatch.setattr(store, "release", slow)
    with ThreadPoolExecutor() as pool:
        job = pool.submit(runner.accept, job_id, suspect=False)
        wait_until(runner.held.all, "the job does not run")
        timer = pool.submit(runner.held.release_all)
        job.result(PATIENCE_S)
        ended = pool.submit(drained)
        wait([ended], 0.2)  # too short on a busy machine, this would only notice less
        gate.set()
        timer.result(PATIENCE_S)
        assert ended.result(PATIENCE_S) == {job_id}


def test_a_job_that_is_claimed_during_the_release_is_released(
    runner: JobRunner, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = store.claim

    def late(job_id: str, worker: str, room: Room = UNLIMITED) -> Claim | None:
        claimed = claim(job_id, worker, room)
        runner.held.release_all()
        return claimed

    monkeypatch.setattr(store, "claim", late)
    job_id = store.add()
    runner.accept(job_id, suspect=False)
    assert store.queued == {job_id} and model.most_inside == 0 and not runner.held.all()
