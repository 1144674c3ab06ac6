"""What one client sends at once is served in turns with the others."""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.gateway.streams import read_until
from tests.support.processes import freeze
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S

HOST = b"Host: localhost\r\n"
CHUNKED = HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"1\r\nx\r\n" * 60_000 + b"0\r\n\r\n"
PROBE = b"GET /readyz HTTP/1.1\r\n" + HOST + b"\r\n"
# In as many turns: each request of a connection is one.
ASK = (
    (b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n") * 50
    + b"GET /metrics HTTP/1.1\r\n"
    + HOST
    + b"Connection: close\r\n\r\n"
)
SENT = {
    "small chunks that are read": b"POST /v1/jobs HTTP/1.1\r\n" + CHUNKED + CHUNKS + PROBE,
    "small chunks that no view reads": b"GET /livez HTTP/1.1\r\n" + CHUNKED + CHUNKS + PROBE,
    "requests": PROBE * 1000,
}


@contextmanager
def connected(gateway: GatewayProcess) -> Iterator[socket.socket]:
    """A connection that the gateway serves already."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
        assert read_until(connection, b"}")
        yield connection


def receive_all(connection: socket.socket) -> bytes:
    received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert received.startswith(b"HTTP/1.1 200")
    return received


def num_probes(metrics: bytes) -> int:
    found = re.findall(rb'^triptych_http_requests_total\{route="/readyz",.*\} (\d+)', metrics, re.MULTILINE)
    return sum(map(int, found))


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_others_are_served_before_the_end(valkey_server: ValkeyServer, tmp_path: Path, sent: bytes) -> None:
    settings = {"TRIPTYCH_GATEWAY_PROCESSES": "1"}
    with (
        running_gateway(valkey_server.url, tmp_path, ready=False, **settings) as gateway,
        connected(gateway) as greedy,
        connected(gateway) as one,
        connected(gateway) as another,
    ):
        (process,) = gateway.processes
        # All of it arrives while the process stands still. Which connection comes first then is the kernel's choice.
        freeze(process.pid)
        for connection, what in ((one, ASK), (greedy, sent), (another, ASK)):
            connection.sendall(what)
        process.send_signal(signal.SIGCONT)
        answers = [receive_all(connection) for connection in (one, another)]
    assert all(num_probes(metrics) <= sent.count(PROBE) / 2 for metrics in answers)
