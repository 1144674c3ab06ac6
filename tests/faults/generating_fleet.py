"""Decoder workers and gateways as processes, for faults of text generation."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from contracts.jobs import Job
from tests.faults.faulty_decoder import HOLD, MODEL, STEPS
from tests.faults.fleet import Fleet
from tests.faults.worker_process import Worker
from tests.gateway.gateway_process import GatewayProcess
from tests.support.valkey import ValkeyServer, running_valkey


class GeneratingFleet(Fleet):
    """Decoders and gateways on one Valkey server."""

    program = "tests.faults.faulty_decoder"
    model = MODEL
    tenant = "default"

    def __init__(self, server: ValkeyServer, folder: Path) -> None:
        super().__init__(server, folder)
        self.environment |= {"TRIPTYCH_DRAIN_S": "0.3", "TRIPTYCH_CONCURRENCY": "64"}
        self.gateways: list[GatewayProcess] = []
        self.new_gateway()

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        """Run a server and a gateway for the length of a ``with`` block."""
        with running_valkey(folder / "valkey") as server:
            fleet = cls(server, folder)
            try:
                fleet.gateways[0].start()
                yield fleet
            finally:
                fleet.close()

    def start(self, num_workers: int = 1) -> tuple[GatewayProcess, list[Worker]]:
        """Start workers, and return the gateway and the workers when they are ready."""
        workers = self.start_workers(num_workers)
        self.gateways[0].wait_until_ready()
        return self.gateways[0], workers

    def new_gateway(self, **settings: str) -> GatewayProcess:
        """Return a gateway that has not been started."""
        lease_s = self.environment["TRIPTYCH_LEASE_S"]
        self.gateways.append(GatewayProcess(self.server.url, self.folder, TRIPTYCH_LEASE_S=lease_s, **settings))
        return self.gateways[-1]

    def clear(self) -> None:
        """End the workers, and delete all jobs."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()
        self.release_hold()
        (self.folder / STEPS).unlink(missing_ok=True)
        self.client.flushdb()

    def hold(self) -> None:
        """Hold the texts with ``fault:hold`` in the model calls of all workers."""
        (self.folder / HOLD).touch()

    def release_hold(self) -> None:
        """Let held texts continue."""
        (self.folder / HOLD).unlink(missing_ok=True)

    def slow_steps(self) -> list[tuple[float, int]]:
        """Return when each step with ``fault:slow`` began, in seconds since the epoch, and of how many texts it was."""
        lines = (line.split() for line in (self.folder / STEPS).read_text().splitlines())
        return [(float(began_at), int(num_texts)) for began_at, num_texts in lines]

    def request_of(self, text: str | list[str]) -> tuple[str, dict[str, Any]]:
        """Return the task and the request of a job with these inputs."""
        return "generate", {"inputs": text, "parameters": {"max_new_tokens": 20}}

    def texts(self, job_id: str) -> list[str]:
        """Return the texts for the first input of a job that has succeeded, in the order of their numbers."""
        return texts_of(self.job(job_id))

    def close(self) -> None:
        """End the gateways, the reaper and all workers."""
        for gateway in self.gateways:
            gateway.stop()
        super().close()


def texts_of(job: Job) -> list[str]:
    """Return the texts for the first input of a job that has succeeded, in the order of their numbers."""
    assert job.status == "succeeded", job.error
    output = json.loads(job.output or b"")
    first = output[0] if isinstance(output, list) else output
    return [each["generated_text"] for each in first.get("sequences") or [first]]
