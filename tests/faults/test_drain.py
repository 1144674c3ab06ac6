"""Workers are restarted one after another under load, as in a deployment, and no client feels it."""

import signal
import threading

from tests.faults.fleet import Fleet
from tests.faults.worker_process import Worker
from tests.support.waiting import PATIENCE_S, longest_s, wait_until

NUM_RESTARTS = 6
SLOW_S = 0.2
"""Of a job; each restart meets some in the middle of their calls."""


class SteadyClient(threading.Thread):
    """Submits a small job each 50 ms until ``stop``."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self.job_ids: list[str] = []
        self._fleet = fleet
        self._enough = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._enough.wait(0.05):
            slow = "" if len(self.job_ids) % 4 else f"fault:slow={SLOW_S} "
            self.job_ids.append(self._fleet.submit(f"{slow}{len(self.job_ids)}"))

    def stop(self) -> None:
        self._enough.set()
        self.join(PATIENCE_S)


def wait_ended(fleet: Fleet, job_id: str) -> None:
    wait_until(lambda: fleet.job(job_id).finished, "a job never ended")


def num_in_hand(worker: Worker, fleet: Fleet, client: SteadyClient) -> int:
    """Return how many of the client's last jobs a worker holds."""
    held = [fleet.job(job_id).worker or "" for job_id in client.job_ids[-20:] if fleet.job(job_id).status == "running"]
    return sum(name.rsplit(".", 2)[1] == str(worker.pid) for name in held if name)


def restart(fleet: Fleet, leaving: Worker, client: SteadyClient) -> Worker:
    """Terminate a worker that has jobs in hand; return the one that follows."""
    wait_until(lambda: num_in_hand(leaving, fleet, client), "the worker has no job in hand")
    leaving.signal(signal.SIGTERM)
    follower = fleet.start_worker()
    assert leaving.process.wait(PATIENCE_S) == 0, leaving.log()[-2000:]
    return follower


def test_workers_are_restarted_under_load_and_no_client_waits(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
    workers = fleet.start_workers(2)
    client = SteadyClient(fleet)
    usual_s = longest_s(lambda: wait_ended(fleet, fleet.submit(f"fault:slow={SLOW_S}")))
    for number in range(NUM_RESTARTS):
        workers[number % 2] = restart(fleet, workers[number % 2], client)
    client.stop()
    jobs = fleet.assert_each_ended_once(client.job_ids)
    assert {(job.status, job.crashes) for job in jobs.values()} == {("succeeded", 0)}
    longest = max((job.completed_at or 0.0) - job.created_at for job in jobs.values())
    print(f"longest {longest:.2f} s, usually {usual_s:.2f} s")
    assert longest <= 10 * usual_s


def test_a_second_sigterm_changes_nothing(patient_fleet: Fleet) -> None:
    fleet = patient_fleet
    worker = fleet.start_worker()
    hanging = fleet.submit_hanging()
    for _ in range(2):
        worker.signal(signal.SIGTERM)
    waiting = fleet.submit("waits")
    fleet.release_hang()
    assert worker.process.wait(PATIENCE_S) == 0, worker.log()[-2000:]
    assert (fleet.job(hanging).status, fleet.job(waiting).status) == ("succeeded", "queued")
    fleet.start_worker()
    jobs = fleet.assert_each_ended_once([hanging, waiting])
    assert {job.crashes for job in jobs.values()} == {0}
