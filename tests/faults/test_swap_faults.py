"""Workers that are killed, terminated or busy while they load a new version of the package that they serve."""

from pathlib import Path

import pytest

from tests.faults.faulty_worker import MODEL
from tests.faults.fleet import LEASE_S, Fleet
from tests.support.paths import STARTERS
from tests.support.versions import put_version
from tests.support.waiting import wait_until


@pytest.fixture
def package(fleet: Fleet) -> Path:
    """The package of the fleet's workers, version v1. They check it for changes five times a second."""
    folder = fleet.folder / "packages" / MODEL
    put_version(STARTERS / MODEL, folder, "v1")
    fleet.environment |= {"TRIPTYCH_MODELS_DIR": str(folder.parent), "TRIPTYCH_RELOAD_S": "0.2"}
    return folder


def hold_loading(fleet: Fleet, package: Path, revision: str) -> None:
    """Install a new version, and hold the workers while they load it."""
    (fleet.folder / "hold-load").touch()
    put_version(STARTERS / MODEL, package, revision)
    wait_until((fleet.folder / "loading").exists, "the new version was not noticed")


def revision_of(fleet: Fleet, job_id: str) -> str | None:
    """Wait until a job has succeeded, and return the revision of its model."""
    wait_until(lambda: fleet.job(job_id).finished, "the job did not end")
    assert fleet.job(job_id).status == "succeeded"
    return fleet.job(job_id).model_revision


def test_a_job_that_runs_during_the_swap_ends_on_its_version(fleet: Fleet, package: Path) -> None:
    """The job is in a model call while the new version replaces the old one."""
    worker = fleet.start_worker()
    running = fleet.submit_hanging()
    put_version(STARTERS / MODEL, package, "v2")
    wait_until(lambda: "new version served" in worker.log(), "the new version was not loaded")
    assert fleet.job(running).status == "running"
    later = fleet.submit("after the swap")
    fleet.release_hang()
    assert (revision_of(fleet, running), revision_of(fleet, later)) == ("v1", "v2")
    wait_until(lambda: "old version dropped" in worker.log(), "the old version was not dropped")
    fleet.assert_each_ended_once([running, later])


def test_while_a_version_is_loaded_jobs_run_and_leases_are_renewed(fleet: Fleet, package: Path) -> None:
    worker = fleet.start_worker()
    hold_loading(fleet, package, "v2")
    long = fleet.submit(f"fault:slow={2 * LEASE_S}")
    job_ids = [long, *(fleet.submit(f"meanwhile {number}") for number in range(20))]
    assert {revision_of(fleet, job_id) for job_id in job_ids} == {"v1"}
    (fleet.folder / "hold-load").unlink()
    wait_until(lambda: "new version served" in worker.log(), "the new version was not loaded")
    job_ids.append(fleet.submit("afterwards"))
    assert revision_of(fleet, job_ids[-1]) == "v2"
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {(job.attempt, job.crashes) for job in jobs.values()} == {(1, 0)}


def test_a_worker_killed_while_it_loads_a_version_loses_no_job(fleet: Fleet, package: Path) -> None:
    doomed = fleet.start_worker()
    hold_loading(fleet, package, "v2")
    job_ids = [fleet.submit(f"meanwhile {number}") for number in range(5)]
    wait_until(lambda: fleet.num_ended(job_ids) == 5, "no work was done while the version was loaded")
    job_ids += [fleet.submit_hanging(), *(fleet.submit(f"behind it {number}") for number in range(5))]
    doomed.kill()
    (fleet.folder / "hold-load").unlink()
    fleet.start_worker()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {job.status for job in jobs.values()} == {"succeeded"}
    assert {job.model_revision for job in jobs.values()} == {"v1", "v2"}
    assert revision_of(fleet, fleet.submit("afterwards")) == "v2"


def test_a_worker_terminated_while_it_loads_a_version_drains_its_jobs(fleet: Fleet, package: Path) -> None:
    leaving = fleet.start_worker()
    hold_loading(fleet, package, "v2")
    job_ids = [fleet.submit(f"fault:slow=0.1 {number}") for number in range(10)]
    wait_until(lambda: fleet.num_ended(job_ids) >= 2, "no work was done while the version was loaded")
    leaving.terminate()
    (fleet.folder / "hold-load").unlink()
    fleet.start_worker()
    jobs = fleet.assert_each_ended_once(job_ids)
    assert {(job.status, job.crashes) for job in jobs.values()} == {("succeeded", 0)}


def test_a_broken_version_stops_a_starting_worker_but_not_a_running_one(fleet: Fleet, package: Path) -> None:
    """Both use the same folder. The running worker keeps its version; the starting one has none to keep."""
    running = fleet.start_worker()
    broken = fleet.folder / "broken"
    put_version(STARTERS / MODEL, broken, "v2")
    (broken / "model.onnx").write_bytes(b"half of it")
    put_version(broken, package, "v2")  # at once: the running worker must never see a whole v2
    wait_until(lambda: "new version refused" in running.log(), "the broken version was not refused")
    with pytest.raises(AssertionError, match=r"model\.onnx: SHA-256 differs from the manifest"):
        fleet.start_worker()
    assert revision_of(fleet, fleet.submit("still there")) == "v1"
    put_version(STARTERS / MODEL, package, "v3")
    wait_until(lambda: "new version served" in running.log(), "the valid version was not loaded")
    assert revision_of(fleet, fleet.submit("and anew")) == "v3"
