"""The hands of the fault tests: workers as processes, jobs submitted and followed, and the proof at the end."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import msgspec
import redis

from contracts.job_store import PREFIX, Admission, JobStore
from contracts.jobs import TERMINAL, Job, NewJob, new_job_id, queue_of
from contracts.reaper import Reaper
from contracts.redis_client import connect
from contracts.registry import Registry
from contracts.settings import StoreSettings
from tests.faults.faulty_worker import MODEL
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

START_S = 40.0
TENANT = "faults"


class Worker:
    """One worker process in a process group of its own."""

    def __init__(self, fleet: "Fleet", number: int) -> None:
        self._log = fleet.folder / f"worker-{number}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.faulty_worker"],
                env=os.environ | fleet.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def alive(self) -> bool:
        """Return whether it still runs."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it at once, and see it gone; a frozen one too."""
        if self.alive():
            self.process.kill()
        self.process.wait(20)

    def log(self) -> str:
        """Return what it wrote."""
        return self._log.read_text(errors="replace")


class Fleet:
    """Workers on one Valkey server, and a client that submits to them without a gateway."""

    def __init__(
        self, server: ValkeyServer, folder: Path, *, lease_s: float = 2.0, republish_after_s: float = 0.5
    ) -> None:
        self.server = server
        self.folder = folder
        self.environment = {
            "TRIPTYCH_REDIS_URL": server.url,
            "TRIPTYCH_LEASE_S": str(lease_s),
            "TRIPTYCH_REPUBLISH_AFTER_S": str(republish_after_s),
            "TRIPTYCH_CONCURRENCY": "8",
            "TRIPTYCH_THREADS": "1",
            "TRIPTYCH_MODELS": MODEL,
            "FAULT_DIR": str(folder),
        }
        settings = StoreSettings(redis_url=server.url, lease_s=lease_s, republish_after_s=republish_after_s)
        self.client = connect(server.url, timeout_s=3, retries=8)
        self.store = JobStore.of(self.client, settings)
        self.workers: list[Worker] = []
        # Every gateway runs a reaper; here the client stands in for one.
        self._reaper = Reaper(self.store)
        self._reaper.start()

    def start_worker(self) -> Worker:
        """Start a worker and return when it takes jobs."""
        worker = Worker(self, len(self.workers))
        self.workers.append(worker)
        registry = Registry(self.client)
        wait_until(
            lambda: not worker.alive() or worker.pid in {card.pid for card in registry.workers()},
            START_S,
            f"the worker did not get ready:\n{worker.log()[-2000:]}",
        )
        assert worker.alive(), worker.log()[-2000:]
        return worker

    def submit(self, text: str | list[str], *, deadline_s: float = 120) -> str:
        """Submit a classify job; return its id."""
        job = NewJob(
            id=new_job_id(),
            tenant=TENANT,
            task="classify",
            model=MODEL,
            request=msgspec.json.encode({"inputs": text}),
            metadata=b"{}",
            num_inputs=1,
            deadline_s=deadline_s,
            timeout_s=60,
            ttl_s=3600,
        )
        return self.store.submit(job, Admission())[0]

    def job(self, job_id: str) -> Job:
        """Return the record."""
        return self.store.read(job_id, TENANT)

    def wait_running(self, job_id: str) -> Job:
        """Wait until a worker has claimed the job."""
        wait_until(lambda: self.job(job_id).status == "running", 20, "the job was not claimed")
        return self.job(job_id)

    def num_ended(self, job_ids: list[str]) -> int:
        """Return how many of these jobs have reached a terminal state."""
        return sum(self.job(job_id).finished for job_id in job_ids)

    def worker_waits_for_messages(self) -> bool:
        """Return whether some worker's BRPOP is out: the next message goes to it, whatever becomes of it."""
        return any(client["cmd"] == "brpop" and "b" in client["flags"] for client in self.client.client_list())

    def num_messages(self) -> int:
        """Return how many messages wait in the model's queue and its suspect lane."""
        return self.store.num_messages(queue_of(MODEL))

    def assert_each_ended_once(self, job_ids: list[str], timeout_s: float) -> dict[str, Job]:
        """Prove that nothing is lost, answered twice or waiting for ever; return the records."""
        assert len(set(job_ids)) == len(job_ids)
        waiting = set(job_ids)

        def all_ended() -> bool:
            waiting.difference_update([job_id for job_id in waiting if self.job(job_id).finished])
            return not waiting

        wait_until(all_ended, timeout_s, f"of {len(job_ids)} jobs some never ended")
        jobs = {job_id: self.job(job_id) for job_id in job_ids}
        for job_id in job_ids:
            ends = [event.name for event in self.store.events(job_id, "0") if event.name in TERMINAL]
            assert ends == [jobs[job_id].status], f"job {job_id} ended {ends}"
        assert self.store.num_live() == 0
        assert self.client.hlen(f"{PREFIX}active") == 0
        counted = Counter(status for (_, status), count in self.store.num_finished().items() for _ in range(count))
        assert counted.total() >= len(job_ids)
        return jobs

    def assert_takes_jobs(self) -> None:
        """Prove that the workers that are left still take jobs."""
        job_id = self.submit("a last, quiet job")
        wait_until(lambda: self.job(job_id).finished, 20, "the workers take no more jobs")
        assert self.job(job_id).status == "succeeded"

    def close(self) -> None:
        """End what is left, by its id."""
        self._reaper.stop()
        for worker in self.workers:
            worker.kill()
        self.client.close()


class Supervision:
    """Restarts the fleet's one worker whenever it dies, as a supervisor would, until it is told to stop."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stop = threading.Event()
        self.num_deaths = 0
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        worker = self._start()
        while not self._stop.wait(0.05):
            if worker.alive():
                continue
            self.num_deaths += 1
            worker = self._start()

    def _start(self) -> Worker:
        worker = Worker(self._fleet, len(self._fleet.workers))
        self._fleet.workers.append(worker)
        return worker

    def stop(self) -> None:
        """Leave the worker as it is from now on."""
        self._stop.set()
        self._thread.join(5)


def redis_of(server: ValkeyServer) -> "redis.Redis":
    """Return a plain client for what an operator would do to the server."""
    return redis.Redis(port=server.port, socket_timeout=5)
