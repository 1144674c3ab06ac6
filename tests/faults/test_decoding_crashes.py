"""A decoder that dies in a decode step with 48 generations in hand: all are back at once, and few pay for it."""

from collections.abc import Iterator

import pytest

from contracts.jobs import Job
from tests.faults.fleet import Supervisor
from tests.faults.generating_fleet import GeneratingFleet, texts_of
from tests.support.waiting import wait_until

NUM_JOBS = 48
MAX_ROWS = 16
"""Sequences of one call, by default: the jobs that a crash can be charged to."""
LEASE_S = 15.0
SLOW = "fault:slow=0.05 number"
POISON = "fault:kill=6 poison"


@pytest.fixture
def fleet(generating_fleet: GeneratingFleet) -> Iterator[GeneratingFleet]:
    """Decoders whose leases do not run out, even if heartbeats are late."""
    before = generating_fleet.environment
    generating_fleet.environment = before | {"TRIPTYCH_LEASE_S": str(LEASE_S)}
    yield generating_fleet
    generating_fleet.environment = before


def generate_all(fleet: GeneratingFleet) -> tuple[list[str], float]:
    """Run all jobs without a fault; return their texts and the seconds until nearly all of them had ended."""
    ids = [fleet.submit(f"{SLOW} {number}") for number in range(NUM_JOBS)]
    jobs = list(fleet.assert_each_ended_once(ids).values())
    return [texts_of(job)[0] for job in jobs], nearly_all(jobs, min(job.created_at for job in jobs))


def nearly_all(jobs: list[Job], since: float) -> float:
    """Return the 95th percentile of the times at which jobs have ended, from ``since`` on."""
    ended = sorted(job.completed_at - since for job in jobs if job.completed_at is not None)
    return ended[int(0.95 * len(ended))]


def test_a_worker_killed_in_a_decode_step_gives_all_back_and_they_end_soon(fleet: GeneratingFleet) -> None:
    worker = fleet.start_worker()
    expected, usual_s = generate_all(fleet)
    ids = [fleet.submit(f"{SLOW} {number}") for number in range(NUM_JOBS)]
    wait_until(lambda: fleet.num_ended(ids) > 0, "no job ended")  # so others are in the middle of their texts
    worker.kill()
    died_at = fleet.now()
    wait_until(lambda: all(fleet.job(job_id).status != "running" for job_id in ids), "the jobs were not given back")
    assert fleet.now() - died_at < LEASE_S * 2 / 3, "they had to wait for their leases"
    fleet.start_worker()
    back_s = fleet.now() - died_at
    jobs = fleet.assert_each_ended_once(ids)
    assert [texts_of(jobs[job_id])[0] for job_id in ids] == expected
    blamed = [job for job in jobs.values() if job.crashes]
    assert 0 < len(blamed) <= MAX_ROWS and {job.crashes for job in blamed} == {1}
    rest = [job for job in jobs.values() if job not in blamed and (job.completed_at or 0) > died_at]
    assert nearly_all(rest, died_at) <= back_s + 2 * usual_s


def test_a_poison_prompt_is_found_and_costs_those_outside_of_its_calls_little(fleet: GeneratingFleet) -> None:
    worker = fleet.start_worker()
    expected, _ = generate_all(fleet)
    worker.kill()
    ids = [fleet.submit(POISON if number == 5 else f"{SLOW} {number}") for number in range(NUM_JOBS)]
    supervisor = Supervisor(fleet)
    jobs = fleet.assert_each_ended_once(ids)
    supervisor.stop()
    poison = jobs.pop(ids[5])
    assert poison.status == "failed" and poison.error is not None and poison.error.code == "worker_lost"
    assert supervisor.num_deaths <= 6, "it must be found within five crashes after the first"
    for number, job_id in enumerate(ids):
        assert job_id == poison.id or texts_of(jobs[job_id])[0] == expected[number]
    rest = [job for job in jobs.values() if not job.crashes]
    assert len(rest) >= NUM_JOBS - MAX_ROWS
    # The first attempt ends with the first crash, perhaps the second with the next one. Then suspects come after it.
    assert max(job.attempt for job in rest) <= 3
