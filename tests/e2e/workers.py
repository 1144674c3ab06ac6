"""Workers of each family as processes, to which tests submit jobs through the store as a gateway does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from contracts.job_ids import new_job_id
from contracts.jobs import Job, Lane, NewJob
from contracts.shapes import num_inputs
from contracts.store.queues.admission import Admission
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from contracts.task_names import Family
from tests.support.job_store import JobStore
from tests.support.paths import ROOT
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

TENANT = "acme"


def _environment(**settings: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")} | settings


def run_worker_command(family: Family, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a worker program that ends by itself."""
    command = [sys.executable, "-m", f"workers.{family}", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=_environment(**settings), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def assert_refused(done: "subprocess.CompletedProcess[str]", expected: str, status: int = 2) -> None:
    """Assert that a worker did not start, and said why in one line."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    family = done.args[2].partition(".")[2]
    assert line.startswith(f"{family} worker: ") and expected in line, line


class Worker:
    """One worker process and a client of its store."""

    def __init__(self, family: Family, server: ValkeyServer, log: Path, *, root: Path = ROOT, **settings: str) -> None:
        self.server = server
        self.log_file = log
        self.client = connect(server.url, timeout_s=10, retries=0)
        self.store = JobStore(self.client)
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"workers.{family}"],
                cwd=root,
                env=_environment(TRIPTYCH_REDIS_URL=server.url, **settings),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def log(self) -> str:
        """Return all that the worker printed."""
        return self.log_file.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Wait until this worker has announced itself."""
        registry = Registry(self.client)

        def announced() -> bool:
            assert self.process.poll() is None, self.log()
            return self.process.pid in {card.pid for card in registry.workers()}

        wait_until(announced, "the worker did not get ready")

    def submit(
        self,
        model: str,
        inputs: Any,
        parameters: dict[str, Any] | None = None,
        task: str = "embed",
        *,
        stream: bool = False,
        followed: bool = False,
        deadline_s: float = 300,
        timeout_s: float = 200,
        lane: Lane = "default",
    ) -> str:
        """Submit a job and return its id. It has a stream of events if the request is for one, or if it is followed."""
        request = {"inputs": inputs, "parameters": parameters or {}, **({"stream": True} if stream else {})}
        job = NewJob(
            id=new_job_id(TENANT, at=self.now()),
            tenant=TENANT,
            task=task,
            model=model,
            request=json.dumps(request).encode(),
            metadata=b"{}",
            num_inputs=num_inputs(inputs),
            deadline_s=deadline_s,
            timeout_s=timeout_s,
            ttl_s=3600,
            followed=stream or followed,
            lane=lane,
        )
        return self.store.submit(job, Admission()).job_id

    def job(self, job_id: str) -> Job:
        """Return the record of a job as it is now."""
        return self.store.read(job_id, TENANT)

    def now(self) -> float:
        """Return the store's time, which is the time in the records of jobs."""
        seconds, microseconds = self.client.time()
        return float(seconds + microseconds / 1e6)

    def ended(self, job_id: str) -> Job:
        """Wait until a job has ended, and return its record."""

        def look() -> Job | None:
            assert self.process.poll() is None, f"the worker ended:\n{self.log()[-3000:]}"
            job = self.job(job_id)
            return job if job.finished else None

        job = wait_until(look, f"job {job_id} did not end")
        assert job is not None
        return job

    def answer(self, *request: Any, **more: Any) -> Any:
        """Submit a job that must succeed, and return its output."""
        job = self.ended(self.submit(*request, **more))
        assert job.status == "succeeded", job.error
        return json.loads(job.output or b"")

    def lose_connections(self) -> None:
        """Make the server drop all connections except this one."""
        self.client.client_kill_filter(_type="normal", skipme=True)

    def memory_mb(self) -> float:
        """Return the resident memory of the worker in megabytes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def peak_mb(self) -> float:
        """Return the most resident memory that the worker has had so far, in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End the process, and close all connections."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        self.client.close()
        self.client.connection_pool.disconnect()


@contextmanager
def running_worker(
    family: Family, server: ValkeyServer, log: Path, *, root: Path = ROOT, **settings: str
) -> Iterator[Worker]:
    """Run a worker of the source tree ``root`` until the ``with`` block ends. It is ready to take jobs."""
    worker = Worker(family, server, log, root=root, **settings)
    try:
        worker.wait_until_ready()
        yield worker
    finally:
        worker.close()
