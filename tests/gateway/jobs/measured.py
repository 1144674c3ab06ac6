"""A gateway whose models are measured: an input costs a work-second, and one worker does two of them a second.

A text is written at a token a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from contracts.cards import WorkerCard
from contracts.jobs import Answer, Claim, queue_of
from contracts.price.estimate import Consumed
from contracts.price.profile import ModelProfile
from contracts.store.profiles import Profiles
from contracts.store.registry import Registry
from tests.gateway.fakes.worker import CARDS, UNSERVED, announce, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.job_store import JobStore
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

SPEED = 2.0
PROFILE = ModelProfile(row_s=1.0, step_s=1.0)
WORKER = "measured-worker"
CARD = WorkerCard(
    id=WORKER, host="h", pid=1, models=[card.name for card in CARDS], started_at=0.0, running=0, num_batches=0,
    num_rows=0, real_tokens=0, padded_tokens=0, rss_bytes=0, speed=SPEED,
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """A gateway and a store; the test is the worker."""

    gateway: GatewayProcess
    store: JobStore
    http: httpx.Client
    claims: list[Claim] = field(default_factory=list)

    def submit(self, num_inputs: int = 1, **fields: Any) -> httpx.Response:
        """Submit a job of so many work-seconds for which no worker is there but the test."""
        body = {"task": "embed", "model": UNSERVED, "inputs": ["a text"] * num_inputs, **fields}
        return self.http.post("/v1/jobs", json=body)

    def view(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return a job as its client sees it now."""
        found: dict[str, Any] = self.http.get(job["urls"]["self"]).json()
        return found

    def claim(self) -> Claim:
        """Start the next job."""
        claim = self.store.claim(queue_of(UNSERVED), WORKER)
        assert claim is not None, "nothing waits"
        self.claims.append(claim)
        return claim

    def succeed(self, claim: Claim, work_s: float) -> None:
        """End a job that has taken so many work-seconds."""
        answer = Answer(output=b"[1.0]", usage=b"{}", timings=b"{}", model_revision="r3")
        assert self.store.succeed(claim, answer, Consumed(work_s, tokens_in=3, tokens_out=0))

    def end_all(self) -> None:
        """Cancel every job that is not finished."""
        for status in ("queued", "running"):
            for job in self.http.get("/v1/jobs", params={"status": status, "limit": 100}).json()["data"]:
                self.http.post(job["urls"]["cancel"])
        for claim in self.claims:
            self.store.confirm_cancel(claim)
        self.claims.clear()
        # A worker shares its speed among the models for which jobs wait, and the monitor looks once a second.
        wait_until(lambda: self._num_waiting() == 0, "jobs wait")

    def _num_waiting(self) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("triptych_queue_jobs{"))

    def metric(self, name: str) -> float:
        """Return a metric, named with its labels; 0 if there is none."""
        for line in self.http.get("/metrics").text.splitlines():
            found, _, value = line.rpartition(" ")
            if found == name:
                return float(value)
        return 0.0


@contextmanager
def running_measured(folder: Path, *, alive: bool = True, **settings: str) -> Iterator[Measured]:
    """Run a gateway with a store in which the models' profiles are; the worker is ``alive``, or was seen of late."""
    with running_valkey(folder / "valkey") as valkey:
        announce(valkey.url)
        store = store_of(valkey.url, PATIENCE_S)
        if alive:
            Registry(store.client).beat(CARD, ttl_s=3600.0)
        Profiles(store.client).write(WORKER, SPEED, {card.name: PROFILE for card in CARDS})
        processes = {"TRIPTYCH_GATEWAY_PROCESSES": "1"}
        with (
            running_gateway(valkey.url, folder, **processes, **settings) as gateway,
            httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as http,
        ):
            found = Measured(gateway, store, http)
            # The monitor finds a worker with its second look.
            wait_until(lambda: found.metric(f'triptych_capacity{{model="{UNSERVED}"}}') > 0, "nothing is measured")
            yield found
        store.client.close()
