"""The reaper: dead workers of which no note is left, the jobs that are blamed, and deadlines without workers."""

import redis

from contracts.jobs import TERMINAL
from contracts.settings import StoreSettings
from contracts.store.keys import PREFIX
from contracts.store.queues.places import Place
from contracts.store.reaper import MAX_JOBS_PER_CALL, Reaper
from tests.redis.builders import (
    ANSWER,
    SUSPECTS,
    TENANT,
    active,
    all_at_once,
    claim,
    claimed,
    come_due,
    pass_deadline,
    status,
    submit,
    take_message,
    waiting,
)
from tests.support.job_store import JobStore
from tests.support.waiting import wait_until


def crash(store: JobStore, *job_ids: str) -> None:
    """Let the leases of a dead worker's jobs run out, and reap."""
    come_due(store, *job_ids)
    store.reap()


def crashes(store: JobStore, job_id: str) -> int:
    """Return how many crashes a job is blamed for."""
    return store.read(job_id, TENANT).crashes


def test_nothing_is_done_before_its_time(store: JobStore) -> None:
    queued, running = submit(store), claimed(store)
    assert store.reap() == (0, 0)
    assert (status(store, queued), status(store, running.id)) == ("queued", "running")


def test_a_dead_workers_job_goes_to_the_suspect_lane(store: JobStore) -> None:
    taken = claimed(store)
    come_due(store, taken.id)
    assert store.reap()[0] == 1
    job = store.read(taken.id, TENANT)
    assert (job.status, job.crashes, job.attempt) == ("queued", 1, 1)
    assert (waiting(store), waiting(store, SUSPECTS)) == ([], [taken.id])
    assert store.place(job) == Place(0, 0.0)
    again = claim(store, taken.id, "w2")
    assert (again.attempt, again.group) == (2, taken.id)
    assert store.succeed(again, ANSWER)


def test_a_job_fails_for_good_after_three_crashes(store: JobStore) -> None:
    job_id = submit(store)
    for attempt in (1, 2, 3):
        assert claim(store, job_id, f"w{attempt}").attempt == attempt
        crash(store, job_id)
    job = store.read(job_id, TENANT)
    assert (job.status, job.crashes) == ("failed", 3)
    assert job.error is not None
    assert (job.error.code, job.error.retryable) == ("worker_lost", False)
    assert "ran alone" in job.error.message
    assert active(store) == {}
    assert waiting(store, SUSPECTS) == []


def test_all_that_a_dead_worker_held_is_blamed_and_halved(store: JobStore) -> None:
    """Nobody knows what it did: the note was lost with its host."""
    held = [claimed(store, "w1") for _ in range(6)]
    elsewhere = claimed(store, "w2")
    crash(store, *(taken.id for taken in (*held, elsewhere)))
    assert {crashes(store, taken.id) for taken in (*held, elsewhere)} == {1}
    groups = [store.turn("w3", sources=[SUSPECTS], max_jobs=1).claims for _ in range(3)]
    assert sorted(len(group) for group in groups) == [1, 3, 3]
    (alone,) = min(groups, key=len)
    assert alone.id == elsewhere.id, "what ran on another worker is no reason for this death"


def test_jobs_of_one_dead_worker_are_halved_whatever_number_it_held(store: JobStore) -> None:
    held = [claimed(store) for _ in range(100)]
    crash(store, *(taken.id for taken in held))
    sizes = []
    while group := store.turn("w2", sources=[SUSPECTS], max_jobs=1).claims:
        sizes.append(len(group))
    assert sum(sizes) == 100 and max(sizes) <= 8


def test_deadlines_pass_with_no_worker_alive(store: JobStore) -> None:
    queued, running = submit(store), claimed(store).id
    pass_deadline(store, queued, running)
    store.reap()
    for job_id in (queued, running):
        assert status(store, job_id) == "expired"
    assert (active(store), store.num_live(), waiting(store)) == ({}, 0, [])


def test_a_real_deadline_and_a_real_lease_run_out_by_the_clock(client: redis.Redis) -> None:
    store = JobStore(client, StoreSettings(lease_s=0.2))
    queued, taken = submit(store, deadline_s=0.4), claimed(store)

    def all_noticed() -> bool:
        store.reap()
        return status(store, queued) == "expired" and status(store, taken.id) == "queued"

    wait_until(all_noticed, "a clock did not run out")


def test_concurrent_reapers_do_nothing_twice(store: JobStore) -> None:
    dead = [claimed(store) for _ in range(100)]
    submit(store)
    take_message(store)
    come_due(store, *(taken.id for taken in dead))
    totals = all_at_once(8, lambda _: store.reap())
    store.reap()  # each of the eight may have left what remained to another
    assert sum(taken for taken, _ in totals) == 100
    assert sum(replaced for _, replaced in totals) == 1
    assert all(crashes(store, taken.id) == 1 for taken in dead)


def test_more_due_jobs_than_one_script_call_takes_are_all_reaped(store: JobStore) -> None:
    ids = [submit(store) for _ in range(2 * MAX_JOBS_PER_CALL + 1)]
    pass_deadline(store, *ids)
    store.reap()
    assert store.num_live() == 0


def test_an_id_in_due_without_a_record_is_dropped(store: JobStore) -> None:
    store.client.zadd(f"{PREFIX}due", {"A" * 22: 0})
    assert store.reap() == (0, 0)
    assert store.num_live() == 0


def test_the_reaper_thread_looks_and_survives_a_store_out_of_reach(store: JobStore) -> None:
    class Flaky(Reaper):
        num_looks = 0

        def reap(self) -> tuple[int, int]:
            self.num_looks += 1
            if self.num_looks == 1:
                raise redis.ConnectionError("gone")
            return super().reap()

    job_id = submit(store)
    pass_deadline(store, job_id)
    reaper = Flaky(store.client, StoreSettings())
    reaper.start()
    wait_until(lambda: status(store, job_id) in TERMINAL, "the reaper did not look again")
    reaper.stop()
