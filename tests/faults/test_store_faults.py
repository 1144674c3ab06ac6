"""Redis is killed or frozen, drops all connections, loses messages or delivers them more than once."""

import socket
import threading

from contracts.jobs import queue_of
from tests.faults.faulty_worker import MODEL
from tests.faults.fleet import LEASE_S, Fleet, redis_of
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


def test_a_redis_frozen_for_longer_than_a_lease_loses_no_job(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    job_ids = [fleet.submit(f"fault:slow=0.1 {number}") for number in range(30)]
    wait_until(lambda: fleet.num_ended(job_ids) >= 5, "no work was done")
    fleet.server.freeze()
    threading.Event().wait(LEASE_S + 1)  # the fault itself
    fleet.server.thaw()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}
    assert worker.alive()
    fleet.assert_takes_jobs()


def test_connections_that_are_dropped_again_and_again_lose_no_job(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    job_ids = [fleet.submit(f"fault:slow=0.05 {number}") for number in range(60)]
    operator = redis_of(fleet.server)
    for cut_after in range(5, 50, 5):
        wait_until(lambda n=cut_after: fleet.num_ended(job_ids) >= n, "no work was done")
        operator.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}
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
    redis_of(fleet.server).delete(queue_of(MODEL))
    fleet.start_worker()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {(job.status, job.attempt) for job in jobs.values()} == {("succeeded", 1)}
