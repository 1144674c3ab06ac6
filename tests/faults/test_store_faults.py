"""Redis is killed or frozen, its clock is set, it loses messages or delivers them twice."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.jobs import newcomers_of, queue_of
from contracts.store.clock import store_time
from tests.faults.faulty_worker import MODEL
from tests.faults.fleet import LEASE_S, Fleet, redis_of
from tests.support.stepping_clock import SteppingClock
from tests.support.valkey import running_valkey
from tests.support.waiting import wait_until


def test_a_killed_and_restarted_redis_loses_no_job(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    job_ids = [fleet.submit(f"fault:slow=0.1 {number}") for number in range(40)]
    for killed_after in (5, 15):
        wait_until(lambda n=killed_after: fleet.num_ended(job_ids) >= n, "no work was done")
        fleet.server.kill()
        fleet.server.start()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}
    assert worker.alive(), worker.log()[-2000:]
    fleet.assert_takes_jobs()


def test_outages_longer_than_a_lease_are_no_crashes_of_a_worker_that_lives(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    job_ids = [fleet.submit(f"fault:slow=0.1 {number}") for number in range(30)]
    for frozen_after in (5, 10, 15):
        wait_until(lambda n=frozen_after: fleet.num_ended(job_ids) >= n, "no work was done")
        fleet.server.freeze()
        threading.Event().wait(LEASE_S + 1)  # the fault itself
        fleet.server.thaw()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}
    assert {(job.crashes, job.attempt) for job in jobs.values()} == {(0, 1)}, "an outage is not a crash"
    assert worker.alive()
    fleet.assert_takes_jobs()


@pytest.fixture
def unsteady_fleet(clock: SteppingClock, tmp_path: Path) -> Iterator[Fleet]:
    """Workers on a store whose clock is set while they run."""
    with running_valkey(tmp_path / "valkey", environment=clock.environment) as server:
        fleet = Fleet(server, tmp_path)
        yield fleet
        fleet.close()


def test_no_job_feels_that_the_clock_of_the_store_is_set(unsteady_fleet: Fleet, clock: SteppingClock) -> None:
    fleet = unsteady_fleet
    worker = fleet.start_worker()
    job_ids = [fleet.submit(f"fault:slow=0.3 {number}") for number in range(80)]
    began = store_time(fleet.client)
    for num_ended, step_s in ((5, 1200), (30, -1200), (55, 0)):
        wait_until(lambda n=num_ended: fleet.num_ended(job_ids) >= n, "no work was done")
        clock.set(step_s)
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}
    assert {(job.crashes, job.attempt) for job in jobs.values()} == {(0, 1)}
    assert abs(store_time(fleet.client) - began) < 600, "time goes on as before"
    assert worker.alive()
    fleet.assert_takes_jobs()


def test_a_store_that_becomes_a_replica_is_named_without_tracebacks(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    fleet.assert_takes_jobs()
    operator = redis_of(fleet.server)
    with socket.socket() as nobody:  # whose port no other test's server can get: the server keeps its data
        nobody.bind(("127.0.0.1", 0))
        operator.replicaof("127.0.0.1", str(nobody.getsockname()[1]))
        wait_until(lambda: "(READONLY)" in worker.log(), "the worker does not say what is wrong")
        # Celery, which waits for messages, tries again and again.
        wait_until(lambda: worker.log().count("Connection to broker lost") >= 5, "Celery does not try again")
        operator.replicaof("NO", "ONE")
    job_ids = [fleet.submit(f"later {number}") for number in range(10)]
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}
    assert worker.alive()
    assert "Traceback" not in worker.log()
    assert worker.log().count("(READONLY)") == 1


def test_a_message_delivered_five_times_runs_once(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
    job_ids = [fleet.submit(f"once {number}") for number in range(10)]
    client = redis_of(fleet.server)
    messages = client.lrange(queue_of(MODEL), 0, -1)
    assert len(messages) == 1, "one message says that the queue has work, whatever waits"
    client.lpush(queue_of(MODEL), *4 * messages)
    fleet.start_worker()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {(job.status, job.attempt) for job in jobs.values()} == {("succeeded", 1)}
    wait_until(lambda: fleet.num_messages() == 0, "the duplicates stayed in the queue")
    fleet.assert_takes_jobs()


def test_messages_lost_from_the_queue_are_replaced(fleet: Fleet) -> None:
    job_ids = [fleet.submit(f"lost {number}") for number in range(20)]
    redis_of(fleet.server).delete(queue_of(MODEL), newcomers_of(queue_of(MODEL)))
    fleet.start_worker()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {(job.status, job.attempt) for job in jobs.values()} == {("succeeded", 1)}
