"""The real stack with API keys of several tenants, and the requests that its clients send."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from benchmarks.encoder.memory import STARTERS
from benchmarks.harness.http_clients import post
from benchmarks.harness.report import BenchError
from benchmarks.harness.stack import MINILM, ROOT, Stack
from benchmarks.overload.clients.crowd import Crowd
from contracts.store.keys import PREFIX, job_key
from contracts.store.registry import Registry
from deploy.local.settings import LocalSettings

CLASSIFIER, EMBEDDER, GENERATOR = "starter-classify", MINILM.name, "starter-generate"
FAMILIES: Mapping[str, tuple[str, ...]] = {"encoder": (CLASSIFIER, EMBEDDER), "decoder": (GENERATOR,)}
_FIELDS = ("status", "created_at", "completed_at", "deadline_at")


@dataclass(frozen=True)
class End:
    """What a job's record says of its end. Times are seconds by the store's clock, which is this machine's."""

    status: str
    created_at: float
    completed_at: float
    deadline_at: float

    @property
    def in_time(self) -> bool:
        """Whether the job has succeeded before its deadline."""
        return self.status == "succeeded" and self.completed_at <= self.deadline_at

    @property
    def took_s(self) -> float:
        """Seconds from the submit to the end."""
        return self.completed_at - self.created_at


class Deployment:
    """Store, workers and a gateway that needs API keys. Use it in a ``with`` block.

    Args:
        tenants: names of the tenants; each gets a key.
        families: the workers to start.
        settings: of the gateway, beside its defaults.
        maxmemory: the store's limit.
    """

    def __init__(
        self,
        tenants: Sequence[str],
        families: Sequence[str] = tuple(FAMILIES),
        settings: Mapping[str, str] = MappingProxyType({}),
        maxmemory: str = LocalSettings.store_maxmemory,
    ) -> None:
        self._tenants = tenants
        self._families = families
        self._settings = settings
        self.stack = Stack(maxmemory)
        self.keys: dict[str, str] = {}

    def __enter__(self) -> "Deployment":
        if "encoder" in self._families and not (MINILM / "manifest.toml").is_file():
            raise BenchError(f"there is no model package in {MINILM}: run `make minilm`")
        self.stack.__enter__()
        try:
            with ThreadPoolExecutor() as pool:
                keys = pool.map(self._create_key, self._tenants)
                self._start_workers()
                self.keys = dict(zip(self._tenants, keys, strict=True))
            # Last, so that it knows the models and the keys when it is ready.
            self.port = self.stack.start_gateway(self._settings)
        except BaseException:
            self.stack.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.__exit__(*exception)

    def _start_workers(self) -> None:
        """Start all workers at once, and wait until they take jobs."""
        for family in self._families:
            models = {
                "TRIPTYCH_MODELS_DIR": f"{STARTERS}:{MINILM.parent}",
                "TRIPTYCH_MODELS": ",".join(FAMILIES[family]),
            }
            # What still runs at the end of a case is of no interest.
            self.stack.start(family, [sys.executable, "-m", f"workers.{family}"], {**models, "TRIPTYCH_DRAIN_S": "0"})
        for family in self._families:
            self.stack.wait(family, partial(self._is_served, FAMILIES[family]))

    def _is_served(self, models: Sequence[str]) -> bool:
        found = {model for worker in Registry(self.stack.client).workers() for model in worker.models}
        return set(models) <= found

    def submit(self, tenant: str, document: Mapping[str, Any], wait_s: int = 0) -> bytes:
        """Return the request that submits a job for a tenant, and perhaps waits for it."""
        prefer = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        return post("/v1/jobs", document, {**self._authorized(tenant), **prefer})

    def read(self, tenant: str, job_id: str, wait_s: int = 0) -> bytes:
        """Return the request that reads a job of a tenant."""
        lines = {"Host": "localhost", **self._authorized(tenant)}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"GET /v1/jobs/{job_id}?wait={wait_s} HTTP/1.1\r\n{head}\r\n".encode()

    def ends(self, job_ids: Sequence[str]) -> list[End]:
        """Return how each job has ended, or its status so far."""
        found: list[End] = []
        for start in range(0, len(job_ids), 500):
            # Read from the store: thousands of requests for them would be a load of their own.
            with self.stack.client.pipeline(transaction=False) as pipeline:
                for job_id in job_ids[start : start + 500]:
                    pipeline.hmget(job_key(job_id), _FIELDS)
                for status, *times in pipeline.execute():
                    found.append(End(status.decode() if status else "gone", *(float(time or 0) for time in times)))
        return found

    def call_ms(self, job_ids: Sequence[str], model: str) -> list[float]:
        """Return how long the model calls of those of these jobs took that have ended and are of a model."""
        with self.stack.client.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hmget(job_key(job_id), "model", "timings")
            found = [json.loads(timings) for name, timings in pipeline.execute() if name == model.encode() and timings]
        return [timings.get("infer_ms", 0.0) for timings in found]

    def num_active(self, tenant: str) -> int:
        """Return how many unfinished jobs a tenant has."""
        return int(self.stack.client.hget(f"{PREFIX}active", tenant) or 0)

    def knows(self, tenant: str, fields: Mapping[str, Any], document: Mapping[str, Any] = MappingProxyType({})) -> bool:
        """Return whether the gateway takes these fields with a job: an older version, for comparison, may not."""
        document = document or {"task": "classify", "model": CLASSIFIER, "inputs": "It rains."}
        with Crowd(self.port) as crowd:
            crowd.send(self.submit(tenant, {**document, **fields}))
            while crowd.num_waiting:
                for answer in crowd.answers(1.0):
                    return answer.status == 202
        return False

    def _create_key(self, tenant: str) -> str:
        command = [sys.executable, "-m", "services.gateway", "keys", "create", "--tenant", tenant]
        env = {**os.environ, "TRIPTYCH_REDIS_URL": self.stack.url}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"no key was created for {tenant}: {done.stderr}")
        return done.stdout.strip()

    def _authorized(self, tenant: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[tenant]}"}
