"""The workers of a fault test as processes, the jobs that it submits, and the assertions at its end."""

import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import redis

from contracts.job_ids import new_job_id
from contracts.jobs import TERMINAL, Job, NewJob, newcomers_of, queue_of
from contracts.settings import StoreSettings
from contracts.store.keys import PREFIX
from contracts.store.queues.admission import Admission
from contracts.store.reaper import Reaper
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from contracts.store.tenants.usage import UsageReader
from tests.faults.faulty_worker import HUNG, MODEL, RELEASE_HANG
from tests.faults.worker_process import Worker
from tests.support.job_store import JobStore
from tests.support.store_time import today
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, longest_s, wait_until

LEASE_S = 3.0
"""Short, so that a lost worker is noticed while the test runs; long enough for the heartbeats of a busy machine."""


class Fleet:
    """Workers on one Valkey server, and a client that submits to them without a gateway."""

    program = "tests.faults.faulty_worker"
    model = MODEL
    tenant = "faults"

    def __init__(self, server: ValkeyServer, folder: Path, *, lease_s: float = LEASE_S) -> None:
        self.server = server
        self.folder = folder
        self.host = folder / "host"
        """Where the workers leave notes for each other, unless they are started elsewhere."""
        self.environment = {
            "TRIPTYCH_REDIS_URL": server.url,
            "TRIPTYCH_LEASE_S": str(lease_s),
            "TRIPTYCH_CONCURRENCY": "8",
            "TRIPTYCH_THREADS": "1",
            "TRIPTYCH_MODELS": self.model,
            "TRIPTYCH_RUNTIME_DIR": str(self.host),
            "FAULT_DIR": str(folder),
        }
        settings = StoreSettings(redis_url=server.url, lease_s=lease_s)
        self.client = connect(server.url, timeout_s=3, retries=8)
        self.store = JobStore(self.client, settings)
        self.workers: list[Worker] = []
        self._num_workers = 0
        # Every gateway runs a reaper; this one takes the place of a gateway's.
        self._reaper = Reaper(self.client, settings)
        self._reaper.start()

    def start_worker(self, **settings: str) -> Worker:
        """Start a worker and return when it takes jobs; ``settings`` are added to its environment."""
        worker = self.spawn_worker(**settings)
        self._wait_ready([worker])
        return worker

    def start_elsewhere(self) -> Worker:
        """Start a worker that sees no notes of the others, as on another machine, and return when it takes jobs."""
        return self.start_worker(TRIPTYCH_RUNTIME_DIR=str(self.folder / f"host-{self._num_workers}"))

    def start_workers(self, num_workers: int) -> list[Worker]:
        """Start several workers at once and return when all of them take jobs."""
        started = [self.spawn_worker() for _ in range(num_workers)]
        self._wait_ready(started)
        return started

    def spawn_worker(self, **settings: str) -> Worker:
        """Start a worker; it takes jobs when it has loaded its models."""
        worker = Worker(self.program, self.folder / f"worker-{self._num_workers}.log", self.environment | settings)
        self._num_workers += 1
        self.workers.append(worker)
        return worker

    def _wait_ready(self, workers: list[Worker]) -> None:
        """Wait until these workers take jobs."""
        registry = Registry(self.client)
        for worker in workers:
            wait_until(
                lambda pid=worker.pid, alive=worker.alive: not alive() or pid in {c.pid for c in registry.workers()},
                f"the worker did not get ready:\n{worker.log()[-2000:]}",
            )
            assert worker.alive(), worker.log()[-2000:]

    def request_of(self, text: str | list[str]) -> tuple[str, dict[str, Any]]:
        """Return the task and the request of a job with these inputs."""
        return "classify", {"inputs": text}

    def submit(self, text: str | list[str], *, deadline_s: float = 600) -> str:
        """Submit a job of the fleet's task; return its id."""
        task, request = self.request_of(text)
        job = NewJob(
            id=new_job_id(self.tenant, self.now()),
            tenant=self.tenant,
            task=task,
            model=self.model,
            request=msgspec.json.encode(request),
            metadata=b"{}",
            num_inputs=1,
            deadline_s=deadline_s,
            timeout_s=300,
            ttl_s=3600,
            followed=True,  # so that all that happens to it can be read from its events
        )
        return self.store.submit(job, Admission()).job_id

    def job(self, job_id: str) -> Job:
        """Return the record of a job."""
        return self.store.read(job_id, self.tenant)

    def submit_hanging(self) -> str:
        """Submit a job whose first attempt hangs in the model call, and return its id once it does."""
        job_id = self.submit("fault:hang")
        wait_until((self.folder / HUNG).exists, "the job does not hang")
        return job_id

    def release_hang(self) -> None:
        """Let the hanging model call continue."""
        (self.folder / RELEASE_HANG).touch()

    def round_trip_s(self) -> float:
        """Return how long the longest of a few small jobs takes on this machine now."""

        def run() -> None:
            job_id = self.submit("a small job")
            wait_until(lambda: self.job(job_id).finished, "the small job did not end")

        return longest_s(run)

    def now(self) -> float:
        """Return the store's time, which is the time in the records of jobs."""
        seconds, microseconds = self.client.time()
        return float(seconds + microseconds / 1e6)

    def wait_running(self, job_id: str) -> Job:
        """Wait until a worker has claimed the job."""
        wait_until(lambda: self.job(job_id).status == "running", "the job was not claimed")
        return self.job(job_id)

    def worker_of(self, job_id: str) -> Worker:
        """Return the worker that runs a job."""
        name = self.job(job_id).worker
        assert name is not None, "no worker runs the job"
        pid = int(name.rsplit(".", 2)[1])
        return next(worker for worker in self.workers if worker.pid == pid)

    def num_ended(self, job_ids: list[str]) -> int:
        """Return how many of these jobs have reached a terminal state."""
        return sum(self.job(job_id).finished for job_id in job_ids)

    def worker_waits_for_messages(self) -> bool:
        """Return whether a worker blocks in BRPOP: the next message then goes to it, even if it is frozen."""
        return any(client["cmd"] == "brpop" and "b" in client["flags"] for client in self.client.client_list())

    def num_messages(self) -> int:
        """Return how many messages wait in the model's queue and its suspect lane."""
        queue = queue_of(self.model)
        return sum(map(self.client.llen, (queue, newcomers_of(queue), queue_of(self.model, suspect=True))))

    def assert_each_ended_once(self, job_ids: list[str]) -> dict[str, Job]:
        """Assert that each of these jobs has ended exactly once and no other one is left; return the records."""
        assert len(set(job_ids)) == len(job_ids)
        waiting = set(job_ids)

        def all_ended() -> bool:
            waiting.difference_update([job_id for job_id in waiting if self.job(job_id).finished])
            return not waiting

        wait_until(all_ended, f"some of {len(job_ids)} jobs never ended")
        jobs = {job_id: self.job(job_id) for job_id in job_ids}
        for job_id in job_ids:
            ends = [event.name for event in self.store.events(job_id, "0") if event.name in TERMINAL]
            assert ends == [jobs[job_id].status], f"job {job_id} ended {ends}"
        assert self.store.num_live() == 0
        assert self.client.hlen(f"{PREFIX}active") == 0
        counted = Counter(status for (_, status), count in self.store.num_finished().items() for _ in range(count))
        assert counted.total() >= len(job_ids)
        assert self.ledger() == +counted, "a job is in the ledger twice, or not at all"
        return jobs

    def ledger(self) -> Counter[str]:
        """Return how many jobs have ended in each way, by the ledger of all tenants."""
        usage, sums = UsageReader(self.client), Counter[str]()
        # A test may have set the store's clock.
        end = today(self.client) + timedelta(days=2)
        start = end - timedelta(days=4)
        for entry in usage.entries(usage.tenants(start), start, end):
            sums.update({status: getattr(entry.counts, status) for status in TERMINAL})
        return +sums

    def assert_takes_jobs(self) -> None:
        """Assert that the remaining workers still take jobs."""
        job_id = self.submit("a last, quiet job")
        wait_until(lambda: self.job(job_id).finished, "the workers take no more jobs")
        assert self.job(job_id).status == "succeeded"

    def close(self) -> None:
        """End the reaper and all workers."""
        self._reaper.stop()
        for worker in self.workers:
            worker.kill()
        self.client.close()
        self.client.connection_pool.disconnect()


class Supervisor:
    """Restarts the fleet's only worker whenever it dies, until `stop` is called."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stop = threading.Event()
        self.num_deaths = 0
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        worker, stopping = self._fleet.spawn_worker(), False
        while not stopping:
            # Then once more: whoever stops this may have heard of a death that nobody has seen here.
            stopping = self._stop.wait(0.05)
            if not worker.alive():
                self.num_deaths += 1
                worker = self._fleet.spawn_worker()

    def stop(self) -> None:
        """Restart the worker no more, unless it is dead now."""
        self._stop.set()
        self._thread.join(PATIENCE_S)


def redis_of(server: ValkeyServer) -> "redis.Redis":
    """Return a plain client for commands that an operator sends to the server."""
    return redis.Redis(port=server.port, socket_timeout=5)
