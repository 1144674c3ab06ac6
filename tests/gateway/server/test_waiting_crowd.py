"""Requests that wait for their jobs keep nobody out, however many they are: others are answered at once meanwhile."""

import socket
from contextlib import ExitStack
from pathlib import Path

import httpx

from services.gateway.jobs.waiting_room import SHARE
from tests.gateway.fakes.worker import announce
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

MAX_CONNECTIONS = 24
MOST_WAITING = int(SHARE * MAX_CONNECTIONS)
WAIT_S = 600
SETTINGS = {
    "TRIPTYCH_GATEWAY_PROCESSES": "1",
    "TRIPTYCH_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
    "TRIPTYCH_MAX_WAIT_S": str(WAIT_S),
}
JOB = {"task": "embed", "inputs": "It rains."}
BODY = b'{"inputs":"It rains."}'
HEAD = b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def wait_for_a_job(gateway: GatewayProcess) -> socket.socket:
    """Submit a job that no worker takes, and wait for it on a connection of its own."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
    return connection


def test_requests_that_wait_leave_connections_to_others(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    announce(valkey_server.url)
    with running_gateway(valkey_server.url, tmp_path, **SETTINGS) as gateway, ExitStack() as stack:
        # More than the gateway has connections for: without a limit it would accept no others from here on.
        crowd = [stack.enter_context(wait_for_a_job(gateway)) for _ in range(2 * MAX_CONNECTIONS)]

        def jobs() -> list[str]:
            return [
                job["id"] for job in httpx.get(f"{gateway.url}/v1/jobs?limit=100", timeout=PATIENCE_S).json()["data"]
            ]

        wait_until(lambda: len(jobs()) == MOST_WAITING, "not as many wait as may")
        answer = httpx.post(f"{gateway.url}/v1/embed", json={"inputs": "It rains."}, timeout=PATIENCE_S)
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "gateway_busy"
        assert "Prefer: respond-async" in answer.text and answer.headers["Retry-After"]
        assert httpx.post(f"{gateway.url}/v1/jobs", json=JOB, timeout=PATIENCE_S).status_code == 202
        # A read that would wait shows the job as it is.
        path = f"{gateway.url}/v1/jobs/{jobs()[0]}"
        read = httpx.get(f"{path}?wait={WAIT_S}", timeout=PATIENCE_S)
        assert read.status_code == 200 and read.json()["status"] == "queued"
        # With its ETag as well, and when to come again: else it would ask at once, for ever.
        same = httpx.get(f"{path}?wait={WAIT_S}", headers={"If-None-Match": read.headers["ETag"]}, timeout=PATIENCE_S)
        assert same.status_code == 304 and int(same.headers["Retry-After"]) > 0
        assert httpx.get(f"{path}?wait=abc", timeout=PATIENCE_S).status_code == 422
        assert len(jobs()) == MOST_WAITING + 1, "a refused request has left a job"
        # A wait is a preference. Who has one knows jobs, and gets its job at once.
        assert not wait_is_granted(gateway)
        assert len(jobs()) == MOST_WAITING + 2
        # Whoever leaves makes room for another one.
        for connection in crowd:
            connection.close()
        wait_until(lambda: wait_is_granted(gateway), "nobody may wait any more")


def wait_is_granted(gateway: GatewayProcess) -> bool:
    """Return whether a request waits that prefers it; its job is accepted in any case."""
    answer = httpx.post(f"{gateway.url}/v1/jobs", json=JOB, headers={"Prefer": "wait=0.1"}, timeout=PATIENCE_S)
    assert answer.status_code == 202 and answer.json()["status"] == "queued"
    assert answer.headers["Preference-Applied"] in {"wait=0.1", "respond-async"}
    return answer.headers["Preference-Applied"] == "wait=0.1"
