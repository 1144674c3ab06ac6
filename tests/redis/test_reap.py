"""The reaper: lost messages, dead workers, crashes and the jobs that are blamed for them, deadlines without workers."""

import time

import pytest
import redis

from contracts.jobs import TERMINAL
from contracts.settings import StoreSettings
from contracts.store.keys import PREFIX
from contracts.store.reaper import MAX_JOBS_PER_CALL, Reaper
from tests.redis.builders import (
    ANSWER,
    QUEUE,
    SUSPECTS,
    TENANT,
    active,
    age,
    all_at_once,
    claim,
    claimed,
    come_due,
    messages,
    pass_deadline,
    status,
    submit,
    take_message,
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
    store.client.delete(QUEUE)
    assert store.reap() == (0, 0)
    assert (status(store, queued), status(store, running.id)) == ("queued", "running")


def test_a_lost_message_is_replaced(store: JobStore) -> None:
    job_id = submit(store)
    assert take_message(store) == job_id
    come_due(store, job_id)
    assert store.reap() == (0, 1)
    assert messages(store) == [job_id]
    assert claim(store, job_id).attempt == 1


def test_a_thousand_lost_messages_are_replaced_at_the_first_reap(store: JobStore) -> None:
    ids = [submit(store) for _ in range(1000)]
    store.client.delete(QUEUE)
    come_due(store, *ids)
    assert store.reap() == (0, 1000)
    assert sorted(messages(store)) == sorted(ids)


def test_a_message_lost_among_others_is_replaced_once_later_jobs_are_claimed(store: JobStore) -> None:
    lost, *later = (submit(store) for _ in range(3))
    assert take_message(store) == lost
    come_due(store, lost)
    assert store.reap() == (0, 0), "the loss can't be noticed yet"
    age(store, lost, 10)
    claim(store, later[0])
    come_due(store, lost)
    assert store.reap() == (0, 1)
    assert messages(store) == [*later, lost]


def test_a_message_that_waits_in_order_is_not_replaced(store: JobStore) -> None:
    """Jobs are claimed in turn and each queued one is looked at again and again: no message is added."""
    ids = [submit(store) for _ in range(50)]
    for index, job_id in enumerate(ids):
        age(store, job_id, 10 * (50 - index))
    for index in range(50):
        come_due(store, *ids[index:])
        assert store.reap() == (0, 0)
        assert take_message(store) == ids[index]
        claim(store, ids[index])


def test_a_replaced_message_in_a_long_queue_is_not_replaced_again(store: JobStore) -> None:
    lost, *later = (submit(store) for _ in range(20))
    take_message(store)
    age(store, lost, 10)
    claim(store, later[0])
    for expected in (1, 0, 0, 0):
        come_due(store, lost)
        assert store.reap() == (0, expected)
    assert messages(store).count(lost) == 1


def test_a_long_queue_that_nobody_serves_does_not_multiply(store: JobStore) -> None:
    ids = [submit(store) for _ in range(1000)]
    for _ in range(10):
        come_due(store, *ids)
        assert store.reap() == (0, 0)
    assert messages(store) == ids


def test_looks_at_a_queued_job_become_rarer_up_to_a_minute(store: JobStore) -> None:
    job_id = submit(store)
    for pause_s in (10, 20, 40, 60, 60, 60):
        come_due(store, job_id)
        before = time.time()
        store.reap()
        after = time.time()
        assert before - 1 < store.client.zscore(f"{PREFIX}due", job_id) - pause_s < after + 1


def test_a_dead_workers_job_goes_to_the_suspect_lane(store: JobStore) -> None:
    taken = claimed(store)
    come_due(store, taken.id)
    assert store.reap() == (1, 0)
    job = store.read(taken.id, TENANT)
    assert (job.status, job.crashes, job.attempt) == ("queued", 1, 1)
    assert (messages(store), messages(store, SUSPECTS)) == ([], [taken.id])
    assert store.position(job) == 0
    again = claim(store, taken.id, "w2")
    assert (again.attempt, again.suspect) == (2, True)
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
    assert "three times" in job.error.message
    assert active(store) == {}
    assert messages(store, SUSPECTS) == []


def test_neighbours_of_a_suspect_are_not_blamed_for_its_crash(store: JobStore) -> None:
    suspect = claimed(store)
    crash(store, suspect.id)
    claim(store, suspect.id, "w2")
    neighbours = [claimed(store, "w2") for _ in range(5)]
    crash(store, suspect.id, *(taken.id for taken in neighbours))
    assert crashes(store, suspect.id) == 2
    for taken in neighbours:
        assert (status(store, taken.id), crashes(store, taken.id)) == ("queued", 0)
        assert not claim(store, taken.id, "w3").suspect


def test_neighbours_are_not_blamed_even_when_they_are_looked_at_after_the_suspect_failed(store: JobStore) -> None:
    suspect = submit(store)
    for attempt in (1, 2):
        claim(store, suspect, f"w{attempt}")
        crash(store, suspect)
    claim(store, suspect, "w3")
    neighbour = claimed(store, "w3")
    crash(store, suspect)
    assert status(store, suspect) == "failed"
    crash(store, neighbour.id)
    assert crashes(store, neighbour.id) == 0


def test_jobs_on_other_workers_are_blamed(store: JobStore) -> None:
    suspect = claimed(store)
    crash(store, suspect.id)
    claim(store, suspect.id, "w2")
    elsewhere = claimed(store, "w3")
    crash(store, elsewhere.id)
    assert crashes(store, elsewhere.id) == 1


@pytest.mark.parametrize("ending", ["succeeded", "released", "stopped"])
def test_once_a_suspect_has_left_its_neighbours_are_blamed_again(store: JobStore, ending: str) -> None:
    suspect = claimed(store)
    crash(store, suspect.id)
    again = claim(store, suspect.id, "w2")
    neighbour = claimed(store, "w2")
    if ending == "succeeded":
        store.succeed(again, ANSWER)
    elif ending == "released":
        store.release(again)
    else:
        store.cancel(again.id, TENANT)
        store.confirm_cancel(again)
    crash(store, neighbour.id)
    assert crashes(store, neighbour.id) == 1


def test_the_key_of_a_suspect_outlives_its_longest_run(store: JobStore) -> None:
    suspect = claimed(store, deadline_s=86_400.0)
    crash(store, suspect.id)
    claim(store, suspect.id, "w2")
    assert store.client.ttl(f"{PREFIX}alone:w2") > 86_400


def test_deadlines_pass_with_no_worker_alive(store: JobStore) -> None:
    queued, running = submit(store), claimed(store).id
    pass_deadline(store, queued, running)
    store.reap()
    for job_id in (queued, running):
        assert status(store, job_id) == "expired"
    assert (active(store), store.num_live(), messages(store)) == ({}, 0, [])


def test_a_real_deadline_and_a_real_lease_run_out_by_the_clock(client: redis.Redis) -> None:
    store = JobStore(client, StoreSettings(lease_s=0.2, republish_after_s=0.2))
    queued, taken = submit(store, deadline_s=0.4), claimed(store)

    def all_noticed() -> bool:
        store.reap()
        return status(store, queued) == "expired" and status(store, taken.id) == "queued"

    wait_until(all_noticed, "a clock did not run out")


def test_concurrent_reapers_do_nothing_twice(store: JobStore) -> None:
    dead = [claimed(store) for _ in range(100)]
    lost = [submit(store) for _ in range(300)]
    store.client.delete(QUEUE)
    come_due(store, *lost, *(taken.id for taken in dead))
    totals = all_at_once(8, lambda _: store.reap())
    assert sum(taken for taken, _ in totals) == 100
    assert sum(replaced for _, replaced in totals) == 300
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


def test_many_due_jobs_are_looked_at_in_slices_that_do_not_block_the_server(store: JobStore) -> None:
    """A script stops the whole server, so each of its calls must be short however many jobs are due."""
    ids = [submit(store) for _ in range(10 * MAX_JOBS_PER_CALL)]
    come_due(store, *ids)
    store.client.config_resetstat()
    before_s = server_cpu_s(store.client)
    store.reap()
    num_calls = store.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert num_calls == 10 + 1
    assert (server_cpu_s(store.client) - before_s) / num_calls < 0.05, "a slice takes a few milliseconds"


def server_cpu_s(client: redis.Redis) -> float:
    """Return the processor time that the server's main thread has used; the machine's other work does not count."""
    used = client.info("cpu")
    return float(used["used_cpu_user_main_thread"] + used["used_cpu_sys_main_thread"])


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
