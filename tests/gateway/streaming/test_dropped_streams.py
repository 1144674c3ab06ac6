"""Clients that disconnect from a stream, and gateways that stop: which jobs are cancelled and which go on."""

import select
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from tests.gateway.conftest import Stack
from tests.gateway.fakes.generation import UNSERVED_GENERATOR
from tests.gateway.fakes.manual_worker import ManualWorker
from tests.gateway.fakes.seq2seq import UNSERVED_TRANSLATOR
from tests.gateway.fakes.worker import announce, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.streams import (
    CHAT,
    COMPLETION,
    GENERATE,
    PROMPT,
    ROUTES,
    TEXT,
    Body,
    Reader,
    dropped_after,
    each_item,
    end_of,
    num_streams,
    read_until,
    text_of,
)
from tests.support.job_store import JobStore
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_a_disconnect_before_the_first_byte_cancels_the_queued_job(stack: Stack, path: str, body: Body) -> None:
    with dropped_after(stack.gateway, path, body):
        job_id = _newest(stack, "translate" if path == "/v1/translate" else "generate")
    assert end_of(stack.store, job_id).status == "cancelled"


@pytest.mark.parametrize(("path", "body"), ROUTES)
@pytest.mark.parametrize("flows", [True, False])
def test_a_disconnect_in_mid_stream_cancels_the_job(stack: Stack, path: str, body: Body, flows: bool) -> None:
    with dropped_after(stack.gateway, path, body) as connection:
        worker = ManualWorker(stack.store)
        deltas = worker.deltas(PROMPT)
        worker.emit(*deltas[:2])
        read_until(connection, PROMPT.encode())
    if flows:
        for delta in deltas[2:-1]:
            worker.emit(delta)
    assert end_of(stack.store, worker.claim.id).status == "cancelling"
    assert worker.emit() == {worker.claim.id}
    assert stack.store.confirm_cancel(worker.claim)


def test_a_client_with_an_idempotency_key_can_reconnect(stack: Stack) -> None:
    key = {"Idempotency-Key": "coming back"}
    with dropped_after(stack.gateway, "/v1/generate", GENERATE, **key) as connection:
        worker = ManualWorker(stack.store)
        deltas = worker.deltas(PROMPT)
        worker.emit(*deltas[:2])
        read_until(connection, PROMPT.encode())
    wait_until(lambda: num_streams(stack.gateway) == 0, "a stream is still open")
    assert stack.store.read(worker.claim.id, "default").status == "running"
    worker.emit(*deltas[2:])
    worker.succeed(deltas)
    url = f"{stack.gateway.url}/v1/generate"
    with httpx.stream("POST", url, json=GENERATE, headers=key, timeout=PATIENCE_S) as answer:
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert "".join(text_of(item["data"]) for item in each_item(answer)) == TEXT


def test_a_client_that_only_follows_a_job_does_not_cancel_it(stack: Stack) -> None:
    job = _submitted(stack.gateway)
    worker = ManualWorker(stack.store)
    with httpx.stream("GET", stack.gateway.url + job["urls"]["events"], timeout=PATIENCE_S) as answer:
        next(answer.iter_raw())
    wait_until(lambda: num_streams(stack.gateway) == 0, "a stream is still open")
    assert stack.store.read(job["id"], "default").status == "running"
    worker.succeed(worker.deltas())


@pytest.fixture
def own(valkey_server: ValkeyServer, tmp_path: Path) -> Iterator[tuple[GatewayProcess, JobStore]]:
    """A gateway and a store of this test alone."""
    announce(valkey_server.url)
    store = store_of(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path) as gateway:
        yield gateway, store
    store.client.close()


def test_many_dropped_streams_leave_nothing_behind(own: tuple[GatewayProcess, JobStore]) -> None:
    gateway, store = own
    with ExitStack() as stack:
        connections = [
            stack.enter_context(dropped_after(gateway, *ROUTES[number % len(ROUTES)])) for number in range(100)
        ]
        wait_until(lambda: store.num_live() == 100, "not all are submitted")
        # Half of the jobs run and emit deltas when their clients disconnect.
        workers = [ManualWorker(store) for _ in range(50)]
        for worker in workers:
            worker.emit(*worker.deltas(PROMPT)[:2])
        wait_until(lambda: _num_begun(connections) == 50, "not all have begun")
    for worker in workers:
        end_of(store, worker.claim.id)
        worker.emit(*worker.deltas(PROMPT)[2:4])
        store.confirm_cancel(worker.claim)
    wait_until(lambda: store.num_live() == 0, "jobs are left")
    assert set(store.num_finished()) == {(UNSERVED_GENERATOR, "cancelled"), (UNSERVED_TRANSLATOR, "cancelled")}
    wait_until(lambda: num_streams(gateway) == 0, "streams are left")


def test_streams_of_all_routes_share_one_limit(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    store = store_of(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path, TRIPTYCH_MAX_STREAMS="2") as gateway, ExitStack() as stack:
        job = _submitted(gateway)
        stack.enter_context(httpx.stream("GET", gateway.url + job["urls"]["events"], timeout=PATIENCE_S))
        stack.enter_context(dropped_after(gateway, "/v1/chat/completions", CHAT))
        wait_until(lambda: store.num_live() == 2, "not submitted")
        for path, body in ROUTES:
            refused = httpx.post(gateway.url + path, json=body, timeout=PATIENCE_S)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "too_many_streams")
        assert store.num_live() == 2
    store.client.close()


def _submitted(gateway: GatewayProcess) -> Any:
    body = {"task": "generate", **GENERATE}
    return httpx.post(f"{gateway.url}/v1/jobs", json=body, timeout=PATIENCE_S).json()


def _num_begun(connections: list[Any]) -> int:
    return len(select.select(connections, [], [], 0)[0])


def test_a_gateway_that_stops_ends_streams_and_leaves_their_jobs(own: tuple[GatewayProcess, JobStore]) -> None:
    gateway, store = own
    reader = Reader(gateway, "/v1/generate", GENERATE)
    worker = ManualWorker(store)
    deltas = worker.deltas(PROMPT)
    worker.emit(*deltas[:2])
    wait_until(lambda: reader.status, "the stream has not begun")
    waiting = Reader(gateway, "/v1/completions", COMPLETION)
    wait_until(lambda: store.num_live() == 2, "not submitted")
    gateway.stop()
    last = reader.end()[-1]["data"]
    assert last["error_type"] == "gateway_stopping" and worker.claim.id in last["error"]
    assert store.read(worker.claim.id, "default").status == "running"
    # The other client has received nothing, so it can send its request to another gateway.
    assert waiting.end() == [] and (waiting.status, waiting.error["code"]) == (503, "gateway_stopping")
    assert store.num_live() == 1


def test_a_stream_whose_job_waits_long_begins_without_text(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    store = store_of(valkey_server.url)
    with (
        running_gateway(valkey_server.url, tmp_path, TRIPTYCH_MAX_WAIT_S="0") as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as client,
    ):
        chunks = client.completions.create(**COMPLETION)
        worker = ManualWorker(store)
        worker.emit(*worker.deltas(PROMPT)[:3])
        worker.succeed(worker.deltas(PROMPT))
        assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
        body = {**COMPLETION, "stream": False}
        answer = httpx.post(f"{gateway.url}/v1/completions", json=body, timeout=PATIENCE_S)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "wait_exceeded")
        # Else OpenAI's library would ask again, and make another job each time.
        assert answer.headers["X-Should-Retry"] == "false"
    store.client.close()


def _newest(stack: Stack, task: str) -> str:
    queued = {"task": task, "status": "queued"}

    def newest() -> Any:
        jobs = httpx.get(f"{stack.gateway.url}/v1/jobs", params=queued, timeout=PATIENCE_S).json()["data"]
        return jobs[0]["id"] if jobs else None

    found: str = wait_until(newest, "no job")
    return found
