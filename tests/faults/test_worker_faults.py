"""Workers that are killed, frozen or terminated, and model calls that fail."""

import math
import signal
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from tests.faults.faulty_worker import NO_THREAD
from tests.faults.fleet import Fleet, Supervisor
from tests.faults.worker_process import Worker
from tests.support.waiting import PATIENCE_S, wait_until

RECOVERY_S = 17.0
NUM_FROZEN = 10


def test_a_worker_frozen_before_it_claims_and_then_killed_loses_no_job(fleet: Fleet) -> None:
    """The BRPOP of the frozen worker takes the message, which dies with the worker. Celery by itself loses the job."""
    job_ids: list[str] = []
    worker = fleet.start_worker()
    num_frozen = 0
    while num_frozen < NUM_FROZEN:
        assert len(job_ids) < 10 * NUM_FROZEN, "frozen workers hardly ever take the message"
        wait_until(fleet.worker_waits_for_messages, "the worker does not wait for messages")
        worker.freeze()
        job_ids.append(fleet.submit("the message of this job dies with its worker"))
        if fleet.num_messages() == 0:
            assert fleet.job(job_ids[-1]).status == "queued"
            num_frozen += 1
            worker.kill()
            worker = fleet.start_worker()
        else:  # a BRPOP ends after a second, this time between the freeze and the message
            worker.thaw()
        wait_until(lambda: fleet.job(job_ids[-1]).finished, "the job was lost")
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}


def recovery_s(fleet: Fleet, end: Callable[[Worker], None]) -> float:
    """End a worker that holds six jobs; return the seconds until one on another machine has answered them all."""
    doomed = fleet.start_worker()
    job_ids = [fleet.submit_hanging(), *(fleet.submit(f"behind it {number}") for number in range(5))]
    for job_id in job_ids:
        fleet.wait_running(job_id)
    fleet.start_elsewhere()
    ended_at = fleet.now()
    end(doomed)
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {(job.status, job.attempt) for job in jobs.values()} == {("succeeded", 2)}
    return max(job.completed_at or math.inf for job in jobs.values()) - ended_at


@pytest.mark.parametrize("end", [Worker.kill_group, Worker.freeze])
def test_the_jobs_of_a_lost_worker_are_recovered_within_17_seconds(
    patient_fleet: Fleet, end: Callable[[Worker], None]
) -> None:
    """Lease, heartbeat and reaper have their default settings."""
    took_s = recovery_s(patient_fleet, end)
    # 15 s of lease, 1 s until the reaper looks, and the time of the jobs themselves.
    assert took_s <= RECOVERY_S + 5 * patient_fleet.round_trip_s()


def test_the_jobs_of_a_worker_that_dies_alone_need_not_wait_for_its_leases(patient_fleet: Fleet) -> None:
    """Its heartbeat process outlives it, and gives them back."""
    # At the time of its death the leases have at least two thirds to run.
    took_s = recovery_s(patient_fleet, Worker.kill)
    assert took_s < patient_fleet.store.lease_s * 2 / 3 + 5 * patient_fleet.round_trip_s()


def kill_with_heartbeat(fleet: Fleet) -> list[str]:
    """Kill a worker and its heartbeat process; return the job that was in the model call, and five that were not."""
    doomed = fleet.start_worker()
    job_ids = [fleet.submit_hanging(), *(fleet.submit(f"behind it {number}") for number in range(5))]
    for job_id in job_ids:
        fleet.wait_running(job_id)
    doomed.kill_group()
    return job_ids


def ends(fleet: Fleet, job_ids: list[str]) -> list[tuple[str, int, int]]:
    jobs = fleet.assert_each_ended_once(job_ids)
    return [(jobs[job_id].status, jobs[job_id].attempt, jobs[job_id].crashes) for job_id in job_ids]


def test_the_worker_that_follows_on_the_host_knows_who_was_in_the_call(patient_fleet: Fleet) -> None:
    job_ids = kill_with_heartbeat(patient_fleet)
    patient_fleet.start_worker()
    assert ends(patient_fleet, job_ids) == [("succeeded", 2, 1), *[("succeeded", 2, 0)] * 5]


def test_another_worker_of_the_host_finds_out_at_its_next_beat(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
    neighbour = fleet.start_worker()
    neighbour.freeze()  # until the other one has taken the jobs
    job_ids = kill_with_heartbeat(fleet)
    neighbour.thaw()
    assert ends(fleet, job_ids) == [("succeeded", 2, 1), *[("succeeded", 2, 0)] * 5]
    assert "another worker of this host died" in neighbour.log()


def test_where_the_note_is_lost_with_its_host_all_jobs_in_hand_are_blamed(fleet: Fleet) -> None:
    job_ids = kill_with_heartbeat(fleet)
    fleet.start_elsewhere()
    assert ends(fleet, job_ids) == [("succeeded", 2, 1)] * 6


def test_a_stopped_worker_is_not_taken_for_dead_by_others_of_its_host(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
    stopped = fleet.start_worker()
    job_id = fleet.submit_hanging()
    stopped.freeze()
    fleet.start_worker()
    fleet.assert_takes_jobs()
    assert fleet.job(job_id).status == "running"
    stopped.thaw()
    fleet.release_hang()
    assert ends(fleet, [job_id]) == [("succeeded", 1, 0)]


def test_native_code_that_holds_pythons_lock_costs_no_lease(fleet: Fleet) -> None:
    fleet.start_worker()
    slow = fleet.submit(f"fault:lock={3 * fleet.store.lease_s}")
    started = fleet.wait_running(slow).started_at
    jobs = fleet.assert_each_ended_once([slow])
    assert (jobs[slow].status, jobs[slow].attempt, jobs[slow].crashes) == ("succeeded", 1, 0)
    assert jobs[slow].completed_at and started
    assert jobs[slow].completed_at - started > 1.5 * fleet.store.lease_s, "the lock was not held for long"


def heartbeats_of(worker: Worker) -> list[psutil.Process]:
    return psutil.Process(worker.pid).children()


def test_a_heartbeat_process_that_dies_costs_no_lease(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    job_id = fleet.submit_hanging()
    for _ in range(2):
        (heartbeat,) = heartbeats_of(worker)
        heartbeat.kill()
        wait_until(
            lambda killed=heartbeat: heartbeats_of(worker) not in ([], [killed]),
            "no other heartbeat process was started",
        )
    held_since = fleet.now()
    wait_until(lambda: fleet.now() > held_since + 2 * fleet.store.lease_s, "time stands still")
    fleet.release_hang()
    jobs = fleet.assert_each_ended_once([job_id])
    assert (jobs[job_id].attempt, jobs[job_id].crashes) == (1, 0)


def test_a_heartbeat_process_that_hangs_costs_no_lease(fleet: Fleet) -> None:
    """It is replaced only after the longest beat, which is longer than a lease."""
    worker = fleet.start_worker()
    job_id = fleet.submit_hanging()
    (hanging,) = heartbeats_of(worker)
    hanging.suspend()
    held_since = fleet.now()
    wait_until(lambda: fleet.now() > held_since + 3 * fleet.store.lease_s, "time stands still")
    assert heartbeats_of(worker) == [hanging], "it was replaced, so nothing stood in for it"
    fleet.release_hang()
    jobs = fleet.assert_each_ended_once([job_id])
    assert (jobs[job_id].attempt, jobs[job_id].crashes) == (1, 0)
    hanging.kill()


def test_a_heartbeat_process_that_dies_at_once_each_time_costs_no_lease(fleet: Fleet) -> None:
    worker = fleet.start_worker()
    job_id = fleet.submit_hanging()

    def killed_while(condition: Callable[[], bool]) -> bool:
        for heartbeat in heartbeats_of(worker):
            with suppress(psutil.NoSuchProcess):
                heartbeat.kill()
        return not condition()

    held_since = fleet.now()
    wait_until(lambda: killed_while(lambda: fleet.now() < held_since + 3 * fleet.store.lease_s), "time stands still")
    assert fleet.job(job_id).status == "running"
    fleet.store.cancel(job_id, fleet.tenant)
    wait_until(lambda: killed_while(lambda: not fleet.job(job_id).finished), "the attempt was not stopped")
    fleet.release_hang()
    jobs = fleet.assert_each_ended_once([job_id])
    assert (jobs[job_id].status, jobs[job_id].attempt, jobs[job_id].crashes) == ("cancelled", 1, 0)


def test_python_that_stands_still_for_too_long_ends_the_worker(fleet: Fleet) -> None:
    fleet.environment["TRIPTYCH_HARD_LIMIT_S"] = str(fleet.store.lease_s)
    worker = fleet.start_worker()
    job_id = fleet.submit("fault:lock=3600")
    wait_until(lambda: not worker.alive(), "the worker was not ended")
    fleet.environment.pop("TRIPTYCH_HARD_LIMIT_S")
    wait_until(lambda: fleet.job(job_id).status == "queued", "the job was not given back")
    fleet.store.cancel(job_id, fleet.tenant)
    fleet.start_worker()
    fleet.assert_takes_jobs()


def test_model_calls_that_fail_end_only_their_own_jobs(patient_fleet: Fleet) -> None:
    fleet, codes = patient_fleet, {"memory": "out_of_memory", "exit": "internal_error", "panic": "internal_error"}
    worker = fleet.start_worker()
    bad = {fleet.submit(f"fault:{fault} {number}"): code for number in range(20) for fault, code in codes.items()}
    good = [fleet.submit(f"an innocent job {number}") for number in range(20)]
    jobs = fleet.assert_each_ended_once([*bad, *good])
    assert {jobs[job_id].status for job_id in good} == {"succeeded"}
    assert {jobs[job_id].status for job_id in bad} == {"failed"}
    assert {job_id: jobs[job_id].error.code for job_id in bad} == bad  # type: ignore[union-attr]
    assert worker.alive()
    fleet.assert_takes_jobs()


def test_a_job_that_kills_its_worker_fails_after_three_crashes_and_its_neighbours_succeed(fleet: Fleet) -> None:
    supervisor = Supervisor(fleet)
    innocent = [fleet.submit(f"fault:slow=0.3 {number}") for number in range(6)]
    poison = fleet.submit("fault:kill")
    innocent += [fleet.submit(f"fault:slow=0.1 later {number}") for number in range(6)]
    jobs = fleet.assert_each_ended_once([poison, *innocent])
    # The heartbeat process records the third crash at once, perhaps before the supervisor looks at its worker.
    wait_until(lambda: supervisor.num_deaths >= 3, "the worker did not die three times")
    supervisor.stop()
    assert jobs[poison].status == "failed"
    assert jobs[poison].error is not None
    assert jobs[poison].error.code == "worker_lost"
    assert supervisor.num_deaths == 3
    assert {jobs[job_id].status for job_id in innocent} == {"succeeded"}
    assert max(jobs[job_id].crashes for job_id in innocent) <= 1


def test_a_worker_frozen_for_longer_than_its_lease_can_not_answer_twice(fleet: Fleet) -> None:
    zombie = fleet.start_worker()
    job_id = fleet.submit_hanging()
    zombie.freeze()
    fleet.start_worker()
    wait_until(lambda: fleet.job(job_id).finished, "no worker took the job over")
    assert fleet.job(job_id).attempt == 2
    fleet.release_hang()
    zombie.thaw()
    wait_until(lambda: "outcome refused" in zombie.log(), "the zombie did not stop its attempt")
    jobs = fleet.assert_each_ended_once([job_id])
    assert jobs[job_id].attempt == 2
    fleet.assert_takes_jobs()


def test_sigterm_under_load_loses_no_job_and_counts_no_crash(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
    leaving = fleet.start_worker()
    job_ids = [fleet.submit(f"fault:slow=0.1 {number}") for number in range(60)]
    wait_until(lambda: fleet.num_ended(job_ids) >= 5, "no work was done")
    leaving.signal(signal.SIGTERM)
    fleet.start_worker()
    assert leaving.process.wait(PATIENCE_S) == 0, leaving.log()[-2000:]
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {(job.status, job.crashes) for job in jobs.values()} == {("succeeded", 0)}
    fleet.assert_takes_jobs()


def test_a_worker_that_has_no_thread_for_its_pool_ends(fleet: Fleet) -> None:
    """It would seem alive and take no jobs, as Celery only logs what fails when it is ready."""
    no_thread = fleet.folder / NO_THREAD
    no_thread.touch()
    worker = fleet.spawn_worker()
    assert worker.process.wait(PATIENCE_S) == 1
    assert "can't start new thread" in worker.log()
    no_thread.unlink()
    fleet.start_worker()
    fleet.assert_takes_jobs()
