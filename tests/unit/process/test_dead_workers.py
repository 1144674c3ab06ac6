"""Which notes a worker's process reports, how often, and what becomes of their files."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
import redis

from contracts.job_ids import new_job_id
from contracts.runtime_folder import runtime_folder
from contracts.store.attempts.blame import Returned
from workers.runtime.process.heartbeat.dead_workers import DeadWorkers
from workers.runtime.process.note_files import MAX_AGE_S
from workers.runtime.process.shared_state import HeldAttempt, SharedState

OWN, OTHER = "host.1.aa.note", "host.2.bb.note"


class Store:
    """Knows some jobs, and gives them back once."""

    def __init__(self, *job_ids: str) -> None:
        self.known = set(job_ids)
        self.calls: list[list[str]] = []
        self.workers: list[str] = []
        self.is_down = False

    def abandon(self, held: Iterable[HeldAttempt], worker: str) -> Returned:
        if self.is_down:
            raise redis.ConnectionError
        self.workers.append(worker)
        found = [job.job_id for job in held]
        if not found:
            return Returned(0, charged_to_suspects=False)
        self.calls.append(found)
        num_known = len(self.known & set(found))
        self.known -= set(found)
        return Returned(num_known, charged_to_suspects=num_known > 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return runtime_folder(tmp_path)


def note(path: Path, *job_ids: str) -> SharedState:
    """Write the note of a worker that is dead: nobody has it locked."""
    with path.open("x+b") as file:
        state = SharedState(len(job_ids) + 1, os.dup(file.fileno()))
    for job_id in job_ids:
        state.hold(job_id, 1)
    return state


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ids(number: int) -> list[str]:
    return [new_job_id("acme", 0) for _ in range(number)]


def test_the_jobs_of_other_dead_workers_are_given_back_once(folder: Path) -> None:
    first, second = ids(2)
    note(folder / OTHER, first, second)
    store = Store(first, second)
    dead_workers = DeadWorkers(store, "w1", folder / OWN)  # type: ignore[arg-type]
    for _ in range(3):
        dead_workers.look()
    assert [sorted(call) for call in store.calls] == [sorted([first, second])]
    assert names(folder) == ["host.2.bb.charged"]


def test_a_note_of_another_store_is_reported_once_and_left_to_its_own_workers(folder: Path) -> None:
    (job_id,) = ids(1)
    note(folder / OTHER, job_id)
    stranger, store = Store(), Store(job_id)
    dead_workers = DeadWorkers(stranger, "w1", folder / OWN)  # type: ignore[arg-type]
    for _ in range(3):
        dead_workers.look()
    assert stranger.calls == [[job_id]] and names(folder) == [OTHER]
    DeadWorkers(store, "w1", folder / OWN).look()  # type: ignore[arg-type]
    assert store.calls == [[job_id]] and names(folder) == ["host.2.bb.charged"]


def test_a_note_is_kept_while_the_store_is_out_of_reach(folder: Path) -> None:
    (job_id,) = ids(1)
    note(folder / OTHER, job_id)
    store = Store(job_id)
    dead_workers = DeadWorkers(store, "w1", folder / OWN)  # type: ignore[arg-type]
    store.is_down = True
    dead_workers.look()
    assert names(folder) == [OTHER]
    store.is_down = False
    dead_workers.look()
    assert store.calls == [[job_id]] and names(folder) == ["host.2.bb.charged"]


def test_a_worker_without_jobs_leaves_nothing(folder: Path) -> None:
    note(folder / OTHER)
    DeadWorkers(Store(), "w1", folder / OWN).look()  # type: ignore[arg-type]
    assert names(folder) == []


def test_the_own_worker_is_given_back_by_whoever_has_its_note_first(folder: Path) -> None:
    (job_id,) = ids(1)
    state = note(folder / OWN, job_id)
    store = Store(job_id)
    DeadWorkers(store, "w1", folder / OTHER).look()  # type: ignore[arg-type]
    DeadWorkers(store, "w1", folder / OWN).own_died(state)  # type: ignore[arg-type]
    assert store.calls == [[job_id], [job_id]], "the second call finds nothing left to do"
    assert names(folder) == ["host.1.aa.charged"]


def test_the_own_worker_is_given_back_by_its_heartbeat_process(folder: Path) -> None:
    (job_id,) = ids(1)
    state = note(folder / OWN, job_id)
    store = Store(job_id)
    DeadWorkers(store, "w1", folder / OWN).own_died(state)  # type: ignore[arg-type]
    assert store.calls == [[job_id]] and names(folder) == ["host.1.aa.charged"]


def test_jobs_that_the_own_worker_gave_back_itself_are_charged_with_nothing(folder: Path) -> None:
    (job_id,) = ids(1)
    state = note(folder / OWN, job_id)
    DeadWorkers(Store(), "w1", folder / OWN).own_died(state)  # type: ignore[arg-type]
    assert names(folder) == []


def test_a_note_without_a_name_is_reported_by_the_heartbeat_process(folder: Path) -> None:
    (job_id,) = ids(1)
    state = SharedState(1)
    state.hold(job_id, 1)
    store = Store(job_id)
    dead_workers = DeadWorkers(store, "w1", None)  # type: ignore[arg-type]
    dead_workers.own_lives()
    dead_workers.look()
    assert store.calls == []
    dead_workers.own_died(state)
    assert store.calls == [[job_id]]
    dead_workers.own_left()


def test_a_worker_that_leaves_takes_its_note_along(folder: Path) -> None:
    note(folder / OWN)
    store = Store()
    dead_workers = DeadWorkers(store, "w1", folder / OWN)  # type: ignore[arg-type]
    dead_workers.own_left()
    assert store.workers == ["w1"], "what its last turn has started may be lost"
    store.is_down = True
    dead_workers.own_left()
    assert names(folder) == []


def test_the_note_of_a_worker_that_lived_long_is_found(folder: Path) -> None:
    """Writing to mapped memory does not change the time of a file."""
    (job_id,) = ids(1)
    note(folder / OWN, job_id)
    os.utime(folder / OWN, (0, time.time() - 2 * MAX_AGE_S))
    store = Store(job_id)
    DeadWorkers(store, "w1", folder / OWN).own_lives()  # type: ignore[arg-type]
    DeadWorkers(store, "w1", folder / OTHER).look()  # type: ignore[arg-type]
    assert store.calls == [[job_id]]


def test_a_folder_that_is_gone_stops_nobody(folder: Path) -> None:
    (job_id,) = ids(1)
    state = note(folder / OWN, job_id)
    (folder / OWN).unlink()
    folder.rmdir()
    store = Store(job_id)
    dead_workers = DeadWorkers(store, "w1", folder / OWN)  # type: ignore[arg-type]
    dead_workers.own_lives()
    dead_workers.look()
    dead_workers.own_died(state)
    assert store.calls == [[job_id]]
    dead_workers.own_left()
