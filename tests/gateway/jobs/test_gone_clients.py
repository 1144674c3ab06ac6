"""Clients that disconnect while they wait for a job: only jobs that nobody can read are cancelled."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from contracts.jobs import Job
from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import GENERATOR, UNSERVED_GENERATOR
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.fakes.seq2seq import UNSERVED_TRANSLATOR
from tests.gateway.fakes.worker import EMBED, UNSERVED, announce, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.streams import PROMPT, Body, dropped_after, end_of, read_until
from tests.support.job_store import JobStore
from tests.support.valkey import running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

GENERATE: Body = {"inputs": PROMPT, "model": UNSERVED_GENERATOR}
GENERATING: list[tuple[str, Body | bytes]] = [
    ("/v1/generate", GENERATE),
    ("/v1/completions", {"model": UNSERVED_GENERATOR, "prompt": PROMPT}),
    ("/v1/chat/completions", {"model": UNSERVED_GENERATOR, "messages": [{"role": "user", "content": PROMPT}]}),
    ("/v1/translate", {"inputs": PROMPT, "model": UNSERVED_TRANSLATOR}),
    ("/translate", {"q": PROMPT, "source": "xx", "target": "yy"}),
    ("/v2/check", b"language=xx&text=say+it"),
]
EMBEDDING: list[tuple[str, Body | bytes]] = [
    ("/v1/embed", {"inputs": PROMPT, "model": UNSERVED}),
    ("/v1/embeddings", {"input": PROMPT, "model": UNSERVED}),
]


@dataclass(frozen=True)
class House:
    """A gateway and a store without a worker; each test has the store's only unfinished job."""

    gateway: GatewayProcess
    store: JobStore
    num_gone_before: int

    def job(self) -> Job:
        """Return the queued job as soon as it is there."""
        (job,) = wait_until(
            lambda: self.store.page("default", status="queued", task=None, after=None, limit=2)[0], "no job"
        )
        return job

    def wait_until_gone(self, number: int = 1) -> None:
        """Wait until the gateway has given up so many requests because their clients had disconnected."""
        wait_until(lambda: num_gone(self.gateway) == self.num_gone_before + number, "a request goes on")


def num_gone(gateway: GatewayProcess) -> int:
    found = re.findall(r'http_requests_total\{.*status="499"\} (\S+)', metrics_of(gateway))
    return sum(int(float(number)) for number in found)


def metrics_of(gateway: GatewayProcess) -> str:
    return httpx.get(f"{gateway.url}/metrics", timeout=PATIENCE_S).text


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, JobStore]]:
    folder = tmp_path_factory.mktemp("house")
    with running_valkey(folder / "valkey") as valkey:
        announce(valkey.url)
        store = store_of(valkey.url)
        with running_gateway(valkey.url, folder) as gateway:
            yield gateway, store
        store.client.close()


@pytest.fixture
def house(servers: tuple[GatewayProcess, JobStore]) -> Iterator[House]:
    gateway, store = servers
    yield House(gateway, store, num_gone(gateway))
    for job in store.page("default", status="queued", task=None, after=None, limit=9)[0]:
        store.cancel(job.id, "default")


@pytest.mark.parametrize(("path", "body"), GENERATING + EMBEDDING)
def test_a_job_is_cancelled_before_it_runs(house: House, path: str, body: Body | bytes) -> None:
    with dropped_after(house.gateway, path, body):
        job = house.job()
    assert end_of(house.store, job.id).status == "cancelled"
    house.wait_until_gone()


@pytest.mark.parametrize(("path", "body"), GENERATING)
def test_a_job_is_cancelled_while_it_runs(house: House, path: str, body: Body | bytes) -> None:
    with dropped_after(house.gateway, path, body):
        worker = ManualWorker(house.store)
        worker.emit(*worker.deltas(PROMPT)[:2])
    assert end_of(house.store, worker.claim.id).status == "cancelling"
    assert worker.emit() == {worker.claim.id}
    assert house.store.confirm_cancel(worker.claim)
    house.wait_until_gone()


def test_an_embedding_is_cancelled_while_it_runs(stack: Stack) -> None:
    for path, body in (("/v1/embed", {"inputs": "hold"}), ("/v1/embeddings", {"input": "hold", "model": EMBED})):
        with dropped_after(stack.gateway, path, body):
            job_id = wait_until(lambda: _running(stack), "the job does not run")
        wait_until(lambda job_id=job_id: stack.store.read(job_id, "default").status == "cancelled", "not cancelled")


def _running(stack: Stack) -> Any:
    found = _jobs(stack, task="embed", status="running")
    return found[0]["id"] if found else None


def _jobs(stack: Stack, **filters: str) -> Any:
    return httpx.get(f"{stack.gateway.url}/v1/jobs", params=filters, timeout=PATIENCE_S).json()["data"]


@pytest.mark.parametrize("headers", [{"Idempotency-Key": "coming back to %s"}, {"Prefer": "wait=50"}])
@pytest.mark.parametrize(("path", "body"), GENERATING + EMBEDDING)
def test_a_client_that_may_come_back_does_not_cancel(
    house: House, path: str, body: Body | bytes, headers: dict[str, str]
) -> None:
    headers = {name: value.replace("%s", path) for name, value in headers.items()}
    with dropped_after(house.gateway, path, body, None, **headers):
        job = house.job()
    house.wait_until_gone()
    assert house.store.read(job.id, "default").status == "queued"


def test_a_client_that_repeats_a_request_does_not_cancel_the_first_one(house: House) -> None:
    key = {"Idempotency-Key": "the same again"}
    with dropped_after(house.gateway, "/v1/generate", GENERATE, **key) as first:
        job = house.job()
        with dropped_after(house.gateway, "/v1/generate", GENERATE, **key):
            wait_until(lambda: 'replayed="true"' in metrics_of(house.gateway), "not replayed")
        house.wait_until_gone()
        worker = ManualWorker(house.store)
        worker.succeed(worker.deltas(PROMPT))
        assert b"200 OK" in read_until(first, b"\r\n\r\n")
    assert house.store.read(job.id, "default").status == "succeeded"


def test_routes_of_jobs_never_cancel(house: House) -> None:
    with dropped_after(house.gateway, "/v1/jobs", {"task": "generate", **GENERATE}, Prefer="wait=50"):
        job = house.job()
    house.wait_until_gone()
    with socket.create_connection(("127.0.0.1", house.gateway.port)) as connection:
        connection.sendall(f"GET /v1/jobs/{job.id}?wait=50 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    house.wait_until_gone(2)
    assert house.store.read(job.id, "default").status == "queued"


def test_a_client_may_leave_just_when_its_job_ends(stack: Stack) -> None:
    for number in range(20):
        body = {"inputs": PROMPT, "model": GENERATOR, "metadata": {"number": str(number)}}
        with dropped_after(stack.gateway, "/v1/generate", body):
            job_id = wait_until(lambda body=body: _with_metadata(stack, body["metadata"]), "no job")
        # Fast enough that some are finished before their clients leave, and some after.
        assert end_of(stack.store, job_id).status in {"succeeded", "cancelled", "cancelling"}
    assert "Traceback" not in stack.gateway.log.read_text()


def _with_metadata(stack: Stack, metadata: object) -> Any:
    return next((job["id"] for job in _jobs(stack, task="generate") if job["metadata"] == metadata), None)


def test_a_client_that_sends_its_next_request_has_not_left(house: House) -> None:
    with dropped_after(house.gateway, "/v1/generate", GENERATE) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        worker = ManualWorker(house.store)
        # Each event wakes the request, which looks at its connection.
        for delta in worker.deltas(PROMPT)[:5]:
            assert worker.emit(delta) == set()
        worker.succeed(worker.deltas(PROMPT))
        received = read_until(connection, b'"status":"ok"')
    assert received.count(b"200 OK") == 2
    assert house.store.read(worker.claim.id, "default").status == "succeeded"


def test_a_client_that_leaves_after_sending_its_next_request_has_left(house: House) -> None:
    with dropped_after(house.gateway, "/v1/generate", GENERATE) as connection:
        job = house.job()
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert end_of(house.store, job.id).status == "cancelled"
    house.wait_until_gone()


def test_a_client_that_only_stops_sending_counts_as_gone_as_for_streams(house: House) -> None:
    with dropped_after(house.gateway, "/v1/generate", GENERATE) as connection:
        job = house.job()
        connection.shutdown(socket.SHUT_WR)
        assert b" 499 " in read_until(connection, b"client_gone")
    assert end_of(house.store, job.id).status == "cancelled"
    house.wait_until_gone()
