"""Connections that are held open: bodies that never end, more clients than descriptors, streams all at once."""

import collections
import contextlib
import socket
import sys
import time
from collections.abc import Iterator

from benchmarks.harness.stack import Stack
from benchmarks.hostile.bodies import GATEWAY
from benchmarks.hostile.client import Client, status_of
from benchmarks.hostile.observer import Observer, Request
from benchmarks.hostile.report import Limits, Row
from benchmarks.hostile.responder import Responder
from deploy.local.store import free_port

POST = "POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json"
HOLD_S = 3.0
NUM_DESCRIPTORS = 1024


def measure(stack: Stack, num_bytes: int, scale: float) -> Iterator[Row]:
    """Yield a row for each kind of connection. Its gateways have the default number of processes."""
    with Responder(stack, {"embed": b"[]"}):  # a gateway without any model does not get ready
        port = stack.start_gateway()
    client, observer = Client(port), Observer(GATEWAY, Request(port))
    case = f"{int(60 * scale)} bodies of {num_bytes / (1 << 20):.0f} MiB that lack their last byte"
    limits = Limits(delay_ms=200, memory_mb=200)
    yield observer.run(case, lambda: _half_sent(client, int(60 * scale), num_bytes), limits)
    num_streams = int(500 * scale)
    case = f"{num_streams} event streams opened in a second"
    job = client.submit({"task": "embed", "model": Responder.model_of("embed"), "inputs": "x"})
    yield observer.run(case, lambda: _streams(client, job, num_streams), Limits(delay_ms=1000, memory_mb=150))
    stack.stop("gateway")
    port = _gateway_with_few_descriptors(stack)
    client, observer = Client(port), Observer(GATEWAY, Request(port))
    case = f"{int(1150 * scale):,} slow bodies, {NUM_DESCRIPTORS:,} descriptors"
    yield observer.run(case, lambda: _slow(client, int(1150 * scale)), Limits(delay_ms=1000, memory_mb=150))


def _half_sent(client: Client, number: int, num_bytes: int) -> str:
    body = b" " * (num_bytes - 1)
    connections = [client.open(f"{POST}\r\nContent-Length: {num_bytes}", body) for _ in range(number)]
    return _hold(connections)


def _slow(client: Client, number: int) -> str:
    opened = []
    for _ in range(number):
        with contextlib.suppress(OSError):
            opened.append(client.open(f"{POST}\r\nContent-Length: 1000", b"{"))
    return _hold(opened)


def _hold(connections: list[socket.socket]) -> str:
    time.sleep(HOLD_S)
    return _statuses(connections, timeout_s=0.01)


def _streams(client: Client, job: str, number: int) -> str:
    return _statuses([client.open(f"GET /v1/jobs/{job}/events HTTP/1.1") for _ in range(number)], timeout_s=20.0)


def _statuses(connections: list[socket.socket], timeout_s: float) -> str:
    """Close connections; return how many have which status."""
    found = collections.Counter(status_of(connection, timeout_s) for connection in connections)
    for connection in connections:
        connection.close()
    return ", ".join(f"{number} x {status or 'no answer'}" for status, number in sorted(found.items()))


def _gateway_with_few_descriptors(stack: Stack) -> int:
    port = free_port()
    command = f"ulimit -n {NUM_DESCRIPTORS}; exec {sys.executable} -m services.gateway"
    stack.start("gateway", ["sh", "-c", command], {"TRIPTYCH_PORT": str(port)})
    client = Client(port)
    stack.wait("gateway", lambda: client.ask("GET", "/livez")[0] == 200)
    return port
