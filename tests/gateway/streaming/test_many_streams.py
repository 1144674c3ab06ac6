"""Hundreds of streams that one client opens at once: each is served, or refused with a clear 503."""

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.gateway.fakes.worker import UNSERVED, announce
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.streams import GENERATE
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

NUM_STREAMS = 500
HEAD = "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(params=["1", "3"])
def gateway(valkey_server: ValkeyServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[GatewayProcess]:
    """A gateway of one process, or of three, whose streams begin after a second even without a worker."""
    announce(valkey_server.url)
    settings = {"TRIPTYCH_GATEWAY_PROCESSES": request.param, "TRIPTYCH_MAX_WAIT_S": "1"}
    with running_gateway(valkey_server.url, tmp_path, **settings) as running:
        yield running


def opened(gateway: GatewayProcess, stack: ExitStack, number: int, request: bytes) -> list[socket.socket]:
    """Send a request on each of many new connections, as fast as this process can."""
    streams = []
    for _ in range(number):
        streams.append(stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)))
        streams[-1].sendall(request)
    return streams


def head_of(stream: socket.socket) -> tuple[int, str]:
    """Return the status and the header lines of a response that has begun."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = stream.recv(65536)
        assert data, "a connection was closed without a response"
        received += data
    line, _, lines = received.partition(b"\r\n\r\n")[0].decode().partition("\r\n")
    return int(line.split()[1]), lines


def num_streams(gateway: GatewayProcess) -> float:
    lines = httpx.get(f"{gateway.url}/metrics", timeout=PATIENCE_S).text.splitlines()
    return float(next(line for line in lines if line.startswith("triptych_streams_open ")).split()[1])


def test_streams_of_events_are_served_up_to_the_limit_and_refused_beyond(gateway: GatewayProcess) -> None:
    body = {"task": "embed", "model": UNSERVED, "inputs": "x"}
    job = httpx.post(f"{gateway.url}/v1/jobs", json=body, timeout=PATIENCE_S).json()
    request = (HEAD % ("GET", f"{job['urls']['self']}/events", 0)).encode()
    with ExitStack() as stack:
        found = [head_of(stream) for stream in opened(gateway, stack, NUM_STREAMS + 50, request)]
        # Two processes that ask for the last place at the same moment both give it back; none is given twice.
        num_refused = Counter(status for status, _ in found)[503]
        assert Counter(status for status, _ in found) == {200: NUM_STREAMS + 50 - num_refused, 503: num_refused}
        assert 50 <= num_refused < 100
        assert all("retry-after: " in head.lower() for status, head in found if status == 503)
        assert httpx.get(f"{gateway.url}/readyz", timeout=PATIENCE_S).status_code == 200
    wait_until(lambda: num_streams(gateway) == 0, "streams stayed open without clients")


def test_streams_that_submit_a_job_are_all_served(gateway: GatewayProcess) -> None:
    body = json.dumps(GENERATE)
    request = ((HEAD % ("POST", "/v1/generate", len(body))) + body).encode()
    with ExitStack() as stack:
        found = [head_of(stream) for stream in opened(gateway, stack, NUM_STREAMS, request)]
        assert Counter(status for status, _ in found) == {200: NUM_STREAMS}
    wait_until(lambda: num_streams(gateway) == 0, "streams stayed open without clients")
