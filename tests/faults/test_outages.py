"""Outages of the store, long and short, whole and half: no worker is blamed for what no worker has done."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from contracts.jobs import Job
from contracts.store.keys import PREFIX
from tests.faults.fleet import Fleet, redis_of
from tests.faults.half_open import Way
from tests.support.waiting import longest_s, wait_until

NUM_IN_HAND = 31
LONG_OUTAGE_S = 19.0
"""More than a lease and two beats."""


def submit_in_hand(fleet: Fleet) -> list[str]:
    """Submit jobs that a worker holds until their call is released."""
    job_ids = [fleet.submit_hanging(), *(fleet.submit(f"behind it {number}") for number in range(NUM_IN_HAND - 1))]
    for job_id in job_ids:
        fleet.wait_running(job_id)
    return job_ids


def outage(fleet: Fleet, seconds: float) -> None:
    """Freeze the store for a while, and wait until all leases were renewed that the reaper has extended."""
    frozen_at = fleet.now()
    fleet.server.freeze()
    threading.Event().wait(seconds)  # the fault itself
    fleet.server.thaw()
    wait_until(lambda: _grace_until(fleet) > frozen_at + fleet.store.lease_s, "the outage was not noticed")
    wait_until(lambda: _first_due(fleet) > _grace_until(fleet), "a lease was not renewed")


def _grace_until(fleet: Fleet) -> float:
    """Return to when the reaper has extended leases; a lease that ends later was renewed by its worker."""
    return float(fleet.client.get(f"{PREFIX}grace_until") or 0)


def _first_due(fleet: Fleet) -> float:
    """Return when the first lease ends."""
    (first,) = fleet.client.zrange(f"{PREFIX}due", 0, 0, withscores=True)
    return float(first[1])


def assert_not_blamed(jobs: dict[str, Job]) -> None:
    """Assert that the worker has kept its attempts, and that nobody has counted a crash."""
    ends = {job_id: (job.status, job.attempt, job.crashes) for job_id, job in jobs.items()}
    assert {job_id: end for job_id, end in ends.items() if end != ("succeeded", 1, 0)} == {}


def test_an_outage_longer_than_a_lease_blames_none_of_the_jobs_in_hand(patient_fleet: Fleet) -> None:
    """Lease, heartbeat and reaper have their default settings."""
    fleet = patient_fleet
    fleet.environment["TRIPTYCH_CONCURRENCY"] = "64"
    worker = fleet.start_worker()
    job_ids = submit_in_hand(fleet)
    outage(fleet, LONG_OUTAGE_S)
    fleet.release_hang()
    assert_not_blamed(fleet.assert_each_ended_once(job_ids))
    assert worker.alive()


def test_a_frozen_worker_that_comes_back_keeps_what_nobody_else_has_started(fleet: Fleet) -> None:
    """Its jobs were taken back meanwhile, because its leases were over and the store was there."""
    worker = fleet.start_worker()
    job_id = fleet.submit_hanging()
    worker.freeze()
    wait_until(lambda: fleet.job(job_id).status == "queued", "the lease of a frozen worker does not end")
    worker.thaw()
    fleet.release_hang()
    assert_not_blamed(fleet.assert_each_ended_once([job_id]))
    fleet.assert_takes_jobs()


@contextmanager
def cutting(operator: redis.Redis) -> Iterator[None]:
    """Cut all connections again and again, as fast as the clients come back."""
    enough = threading.Event()

    def cut() -> None:
        while not enough.wait(0.03):
            operator.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def test_connections_that_are_cut_in_the_middle_of_turns_start_no_job_twice(fleet: Fleet) -> None:
    """The reply that says which jobs were started is lost, and the same call says it again."""
    worker = fleet.start_worker()
    job_ids = [fleet.submit(f"fault:slow=0.01 {number}") for number in range(200)]
    with cutting(redis_of(fleet.server)):
        wait_until(lambda: fleet.client.zcard(f"{PREFIX}expiring") >= 150, "no work was done")
    assert_not_blamed(fleet.assert_each_ended_once(job_ids))
    assert worker.alive()
    assert "Traceback" not in worker.log()


def test_a_worker_whose_connections_fall_silent_goes_on_with_new_ones(fleet: Fleet) -> None:
    """A firewall that forgets connections tells nobody. New ones work."""
    way = Way(fleet.server)
    try:
        worker = fleet.start_worker(TRIPTYCH_REDIS_URL=way.url)
        fleet.assert_takes_jobs()
        usual_s = longest_s(fleet.assert_takes_jobs, 2)
        job_id = fleet.submit_hanging()
        way.silence()
        fleet.release_hang()
        silent_at = fleet.now()
        jobs = fleet.assert_each_ended_once([job_id, *(fleet.submit(f"after it {number}") for number in range(5))])
        assert_not_blamed(jobs)
        assert max(job.completed_at or 0.0 for job in jobs.values()) - silent_at < 15 + 10 * usual_s
        way.silence()  # while it waits for messages
        silent_at = fleet.now()
        jobs = fleet.assert_each_ended_once([*jobs, fleet.submit("after the silence")])
        assert_not_blamed(jobs)
        assert max(job.completed_at or 0.0 for job in jobs.values()) - silent_at < 15 + 10 * usual_s
        assert worker.alive(), "it had to be started again"
    finally:
        way.close()


def test_jobs_end_while_the_store_is_full(fleet: Fleet) -> None:
    """What was accepted needs little more memory to its end, and gets it, also from a worker that starts meanwhile."""
    operator = redis_of(fleet.server)
    worker = fleet.start_worker()
    job_ids = [fleet.submit_hanging(), *(fleet.submit(f"accepted before {number}") for number in range(40))]
    operator.config_set("maxmemory", operator.info("memory")["used_memory"] // 2)
    with pytest.raises(redis.OutOfMemoryError):
        fleet.submit("one too many")
    worker.kill()
    follower = fleet.spawn_worker()
    fleet.assert_each_ended_once(job_ids)
    assert follower.log().count("OutOfMemoryError") < 10, "it tries again and again to do what it need not"
    operator.config_set("maxmemory", 0)
    fleet.assert_takes_jobs()
    assert follower.alive()
