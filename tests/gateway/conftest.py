"""One stack for all tests that leave it intact: Valkey, the gateway and a fake worker."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.fakes.worker import FakeWorker, announce, running_worker, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.job_store import JobStore
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import PATIENCE_S


@dataclass(frozen=True)
class Stack:
    """The parts of a running stack."""

    valkey: ValkeyServer
    gateway: GatewayProcess
    worker: FakeWorker
    store: JobStore


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack shared by many tests. Do not break it."""
    folder: Path = tmp_path_factory.mktemp("stack")
    with running_valkey(folder / "valkey") as valkey:
        announce(valkey.url)
        settings = {"TRIPTYCH_MAX_STREAMS": "20", "TRIPTYCH_BODY_TIMEOUT_S": "5"}
        with running_worker(valkey.url) as worker, running_gateway(valkey.url, folder, **settings) as gateway:
            store = store_of(valkey.url, PATIENCE_S)
            yield Stack(valkey, gateway, worker, store)
            store.client.close()


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    """A client of the shared gateway."""
    with httpx.Client(base_url=stack.gateway.url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def submit(http: httpx.Client) -> Callable[..., dict[str, Any]]:
    """Submit a job that embeds, and return it; arguments replace fields of the body."""

    def submitted(inputs: Any = "a text", **fields: Any) -> dict[str, Any]:
        answer = http.post("/v1/jobs", json={"task": "embed", "inputs": inputs, **fields})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    return submitted
