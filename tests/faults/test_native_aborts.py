"""Native code that ends its worker in a model call: the jobs of that call are blamed, and no others."""

from tests.faults.faulty_worker import GATHERED
from tests.faults.fleet import Fleet, Supervisor
from tests.support.waiting import wait_until

LONG = "this text is too long for a batch with the others " * 4


def test_a_native_abort_is_booked_on_the_jobs_of_its_call_only(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
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
    supervisor.stop()
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
    assert jobs[poison].status == "failed" and jobs[poison].crashes == 3
    assert {jobs[job_id].status for job_id in innocent} == {"succeeded"}
    assert max(jobs[job_id].crashes for job_id in innocent) <= 1
    assert supervisor.num_deaths <= 4, "its first death may be taken for that of a call, no other one"
