"""Native code that ends its worker: the jobs that it worked on are blamed, and no others."""

import json

from contracts.jobs import Job
from contracts.runtime_folder import take_charge
from tests.faults.faulty_worker import GATHERED
from tests.faults.fleet import Fleet, Supervisor
from tests.support.waiting import wait_until

LONG = "this text is too long for a batch with the others " * 4


def test_a_native_abort_is_booked_on_the_jobs_of_its_call_only(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
    # A quarter of the places is for flows that hold few, and here one flow has seven jobs in hand.
    fleet.environment["TRIPTYCH_CONCURRENCY"] = "16"
    worker = fleet.start_worker()
    first = fleet.submit("fault:gather=6")  # the others wait behind it, those of the call before the rest
    wait_until((fleet.folder / f"{GATHERED}0").exists, "the first call does not run")
    culprit, *mates = in_call = [fleet.submit(text) for text in ("fault:abort", "fault:none", "fault:zero")]
    wait_until((fleet.folder / f"{GATHERED}3").exists, "the rows of the call do not wait")
    others = [fleet.submit(f"{LONG} {number}") for number in range(3)]
    wait_until(lambda: not worker.alive(), "the worker was not aborted")
    died_at = fleet.now()
    wait_until(lambda: {fleet.job(job_id).status for job_id in others} == {"queued"}, "the jobs were not given back")
    assert fleet.now() - died_at < fleet.store.lease_s * 2 / 3, "they had to wait for their leases"
    assert [fleet.job(job_id).crashes for job_id in (*in_call, *others)] == [1, 1, 1, 0, 0, 0]

    supervisor = Supervisor(fleet)
    jobs = fleet.assert_each_ended_once([first, *in_call, *others])
    # The last death is noted before the record says that the job has failed, and seen by the next worker at the latest.
    fleet.assert_takes_jobs()
    supervisor.stop()
    charged = [take_charge(fleet.host, ended.pid) for ended in fleet.workers]
    assert charged == [False, True, True, False], "pauses grow by deaths that suspects are charged with"
    assert [jobs[job_id].status for job_id in (culprit, *mates, *others)] == ["failed"] + ["succeeded"] * 5
    assert jobs[culprit].error is not None and jobs[culprit].error.code == "worker_lost"
    assert [jobs[job_id].crashes for job_id in (culprit, *mates, *others)] == [3, 1, 1, 0, 0, 0]


def test_a_text_that_ends_its_tokenizer_is_found_among_running_calls(fleet: Fleet) -> None:
    """The calls that happened to run are blamed once, and never so often that their jobs fail."""
    supervisor = Supervisor(fleet)
    innocent = [fleet.submit(f"fault:slow=1 {number}") for number in range(5)]
    poison = fleet.submit("fault:early")
    innocent += [fleet.submit(f"fault:slow=1 later {number}") for number in range(5)]
    jobs = fleet.assert_each_ended_once([poison, *innocent])
    supervisor.stop()
    assert jobs[poison].status == "failed" and jobs[poison].crashes in {2, 3}, "the first one may be that of a call"
    assert {jobs[job_id].status for job_id in innocent} == {"succeeded"}
    assert max(jobs[job_id].crashes for job_id in innocent) <= 1
    assert supervisor.num_deaths == 3


NUM_INNOCENTS = 50
MAX_FURTHER_CRASHES = 5


def test_a_poison_job_is_found_among_fifty_within_five_further_crashes(fleet: Fleet) -> None:
    fleet.environment["TRIPTYCH_CONCURRENCY"] = "64"
    innocent = [fleet.submit(f"fault:slow=0.02 {number}") for number in range(NUM_INNOCENTS // 2)]
    poison = fleet.submit("fault:abort")
    innocent += [fleet.submit(f"fault:slow=0.02 {number}") for number in range(NUM_INNOCENTS // 2)]
    supervisor = Supervisor(fleet)
    later = []
    for num_deaths in range(1, 4):
        wait_until(lambda n=num_deaths: supervisor.num_deaths >= n, "the worker did not die")
        later += [fleet.submit(f"after {num_deaths} deaths: {number}") for number in range(5)]
    jobs = fleet.assert_each_ended_once([poison, *innocent, *later])
    supervisor.stop()
    assert supervisor.num_deaths <= 1 + MAX_FURTHER_CRASHES
    assert jobs[poison].status == "failed"
    assert jobs[poison].error is not None and jobs[poison].error.code == "worker_lost"
    assert jobs[poison].crashes == supervisor.num_deaths, "a death was charged to others only"
    assert {jobs[job_id].status for job_id in (*innocent, *later)} == {"succeeded"}
    assert crashes(jobs, later) == {0}, "a job that came later was blamed"
    blamed = {job_id for job_id in innocent if jobs[job_id].crashes}
    assert blamed <= in_calls_of_deaths(fleet), "jobs were blamed that were in no call of the poison job"
    assert max(crashes(jobs, innocent)) <= MAX_FURTHER_CRASHES - 1


def in_calls_of_deaths(fleet: Fleet) -> set[str]:
    """Return the jobs that were in model calls in which workers died, by the logs of those that found them."""
    lines = [line for log in fleet.folder.glob("*.log") for line in log.read_text().splitlines()]
    return {job_id for line in lines if '"worker died"' in line for job_id in json.loads(line)["in_call"]}


def crashes(jobs: dict[str, Job], job_ids: list[str]) -> set[int]:
    return {jobs[job_id].crashes for job_id in job_ids}
