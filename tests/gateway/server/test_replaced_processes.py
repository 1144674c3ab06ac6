"""A process that stops is felt by nobody: the others serve, and it finishes what it has begun."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.gateway.fakes.worker import EMBED, UNSERVED, announce, running_worker, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

NUM_CLIENTS = 4


def replace_all(gateway: GatewayProcess) -> None:
    processes = gateway.processes
    gateway.send(signal.SIGHUP)
    assert not psutil.wait_procs(processes, PATIENCE_S)[1]


def replace_one(gateway: GatewayProcess) -> None:
    process = gateway.processes[0]
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE_S)


@pytest.mark.parametrize("replace", [replace_all, replace_one])
def test_requests_go_on_while_processes_are_replaced(
    valkey_server: ValkeyServer, tmp_path: Path, replace: Callable[[GatewayProcess], None]
) -> None:
    announce(valkey_server.url)
    with (
        running_worker(valkey_server.url),
        running_gateway(valkey_server.url, tmp_path, TRIPTYCH_GATEWAY_PROCESSES="2") as gateway,
        ThreadPoolExecutor(NUM_CLIENTS) as pool,
    ):
        done = threading.Event()

        def ask() -> list[str]:
            """Ask again and again, each time on a connection of its own."""
            found = []
            while not done.is_set():
                answer = httpx.post(f"{gateway.url}/v1/embeddings", json={"model": EMBED, "input": "x"})
                found.append(answer.text if answer.status_code != 200 else "")
            return found

        clients = [pool.submit(ask) for _ in range(NUM_CLIENTS)]
        try:
            replace(gateway)
        finally:
            done.set()
        answers = [answer for client in clients for answer in client.result()]
    assert set(answers) == {""}


def test_a_wait_without_an_id_is_refused_at_a_stop_and_its_job_cancelled(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    """Sent again, the request makes another job, so this one must not go on."""
    announce(valkey_server.url)
    store = store_of(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path) as gateway, ThreadPoolExecutor(1) as pool:
        body = {"model": UNSERVED, "input": "x"}
        asked = pool.submit(httpx.post, f"{gateway.url}/v1/embeddings", json=body)
        wait_until(lambda: store.num_live() == 1, "not submitted")
        gateway.send(signal.SIGTERM)
        answer = asked.result()
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_stopping"), answer.text
        wait_until(lambda: store.num_live() == 0, "the job goes on")
        assert gateway.wait() == 0
    store.client.close()
