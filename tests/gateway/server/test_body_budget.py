"""Bodies that stop half-way hold neither the room for bodies nor the connections, and nothing of them is kept."""

import json
import resource
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.gateway import few_descriptors
from tests.gateway.fakes.worker import UNSERVED, announce
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

MEBIBYTE = 1 << 20
ONE = {"TRIPTYCH_GATEWAY_PROCESSES": "1", "TRIPTYCH_BODY_TIMEOUT_S": "600"}
"""The time for a body is no help: in this one no body is refused for being slow."""


@pytest.fixture(autouse=True)
def models(valkey_server: ValkeyServer) -> None:
    announce(valkey_server.url)


@contextmanager
def client_of(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_S) as client:
        yield client


class HalfSent:
    """A connection with a body whose last byte never comes."""

    def __init__(
        self, gateway: GatewayProcess, num_bytes: int, *, sent: int | None = None, chunked: bool = False
    ) -> None:
        self.connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {num_bytes}"
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        chunk = f"{num_bytes:x}\r\n" if chunked else ""
        body = b"x" * (num_bytes - 1 if sent is None else sent)
        # What the gateway does not read stays in the kernel; if its connection is closed, that is an answer too.
        self.connection.settimeout(0.5)
        with suppress(OSError):
            self.connection.sendall(f"{head}{chunk}".encode() + body)

    def close(self) -> None:
        self.connection.close()


def submitted(client: httpx.Client, num_bytes: int) -> bool:
    """Submit a job, and return whether it was accepted; else there was no room."""
    body = {"task": "embed", "model": UNSERVED, "inputs": "x" * num_bytes}
    answer = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code in {202, 503}, answer.text
    if answer.status_code == 503:
        assert answer.json()["error"]["code"] == "gateway_busy"
        assert int(answer.headers["Retry-After"]) > 0
    return answer.status_code == 202


def body_bytes(client: httpx.Client) -> float:
    """Return how many bytes the gateway counts."""
    return metric(client, "triptych_body_bytes ")


def num_submitted(client: httpx.Client) -> float:
    return metric(client, 'triptych_submits_total{replayed="false",task="embed"}')


def metric(client: httpx.Client, start: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(start)), 0.0)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_bodies_that_stop_half_way_keep_nobody_out(valkey_server: ValkeyServer, tmp_path: Path, processes: str) -> None:
    room = {"TRIPTYCH_MAX_BODY_BYTES": str(MEBIBYTE), "TRIPTYCH_MAX_BODIES_BYTES": str(4 * MEBIBYTE)}
    settings = ONE | room | {"TRIPTYCH_GATEWAY_PROCESSES": processes}
    with running_gateway(valkey_server.url, tmp_path, **settings) as gateway, client_of(gateway) as client:
        half_sent = [HalfSent(gateway, MEBIBYTE, chunked=number % 2 == 0) for number in range(30)]
        try:
            for _ in range(10):
                assert submitted(client, 1000), "a small body always finds room"
            wait_until(lambda: submitted(client, 900_000), "a large body finds no room")
            # Before the gateway begins to give them up, the counts of all bodies stay within the room.
            assert body_bytes(client) <= 4 * MEBIBYTE
        finally:
            for one in half_sent:
                one.close()
        wait_until(lambda: body_bytes(client) == 0, "bytes of bodies that are gone still count")


def test_the_memory_for_bodies_is_bounded(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with running_gateway(valkey_server.url, tmp_path, **ONE) as gateway, client_of(gateway) as client:
        family = [psutil.Process(gateway.pid), *psutil.Process(gateway.pid).children(recursive=True)]
        before = sum(process.memory_info().rss for process in family)
        half_sent = [HalfSent(gateway, 7 * MEBIBYTE) for _ in range(60)]
        try:
            grown = sum(process.memory_info().rss for process in family) - before
            assert grown < 160 * MEBIBYTE, "60 bodies of 7 MiB, and room for 64 MiB"
            assert submitted(client, 1000)
        finally:
            for one in half_sent:
                one.close()


def test_no_way_to_end_leaves_bytes_behind(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    settings = ONE | {"TRIPTYCH_BODY_TIMEOUT_S": "5", "TRIPTYCH_MAX_BODY_BYTES": str(MEBIBYTE)}
    with running_gateway(valkey_server.url, tmp_path, **settings) as gateway, client_of(gateway) as client:
        json_type = {"Content-Type": "application/json"}
        for raw, status in ((b"{", 400), (b"[" * 300_000, 400), (b'{"x":1}', 422), (b"[" + b"1," * 400_000, 413)):
            assert client.post("/v1/jobs", content=raw, headers=json_type).status_code == status
        pieces = iter([b"x" * MEBIBYTE, b"x"])
        assert client.post("/v1/jobs", content=pieces, headers=json_type).status_code == 413
        HalfSent(gateway, 300_000).close()
        slow = HalfSent(gateway, 300_000)
        assert submitted(client, 100_000)
        assert client.post("/v1/embed", json={"inputs": "fail"}, headers={"Prefer": "wait=0"}).status_code == 202
        wait_until(lambda: body_bytes(client) == 0, "bytes of bodies that are gone still count")
        slow.close()


def assert_served_beside_slow_bodies(gateway: GatewayProcess, number: int) -> None:
    """Open connections whose bodies stop after a byte, and submit jobs beside them."""
    half_sent = [HalfSent(gateway, 1000, sent=1) for _ in range(number)]
    try:
        with client_of(gateway) as client:
            for _ in range(5):
                assert submitted(client, 1000)
    finally:
        for one in half_sent:
            one.close()


def test_slow_bodies_leave_connections_for_others(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    settings = ONE | {"TRIPTYCH_MAX_CONNECTIONS": "40"}
    with running_gateway(valkey_server.url, tmp_path, **settings) as gateway:
        assert_served_beside_slow_bodies(gateway, 100)


def test_large_bodies_that_wait_have_a_budget_and_small_ones_always_may(
    valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    settings = ONE | {"TRIPTYCH_MAX_BODY_BYTES": str(MEBIBYTE), "TRIPTYCH_MAX_BODIES_BYTES": str(2 * MEBIBYTE)}
    with running_gateway(valkey_server.url, tmp_path, **settings) as gateway, client_of(gateway) as client:
        waiting: list[tuple[socket.socket, int]] = []

        def refusal(num_bytes: int) -> bytes:
            """Send one that waits; return the response if it is refused."""
            connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)
            before = num_submitted(client)
            connection.sendall(request_that_waits(num_bytes))
            wait_until(lambda: num_submitted(client) > before or is_answered(connection), "neither taken nor refused")
            if num_submitted(client) > before:
                waiting.append((connection, num_bytes))
                return b""
            with connection:
                return connection.recv(65536)

        # Until there is room for neither.
        for num_bytes in (900_000, 70_000):
            refused = wait_until(partial(refusal, num_bytes), "any number of requests may wait")
            assert refused.startswith(b"HTTP/1.1 503") and b"respond-async" in refused
        assert sum(size for _, size in waiting) < 8 * MEBIBYTE
        assert submitted(client, 900_000), "a request that does not wait is accepted"
        assert [refusal(60_000) for _ in range(10)] == [b""] * 10
        for connection, _ in waiting:
            connection.close()
        wait_until(lambda: body_bytes(client) == 0, "bytes of bodies that are gone still count")


def request_that_waits(num_bytes: int) -> bytes:
    body = json.dumps({"model": UNSERVED, "inputs": "x" * num_bytes}).encode()
    head = f"POST /v1/embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Content-Type: application/json\r\nPrefer: wait=60\r\n\r\n".encode() + body


def is_answered(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Enough of them for the test's own connections."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(limits[1], 4096)), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("many_descriptors")
def test_connections_fit_into_the_descriptors(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with running_gateway(valkey_server.url, tmp_path, module=few_descriptors.__name__, **ONE) as gateway:
        (warning,) = [line for line in gateway.log.read_text().splitlines() if "RLIMIT_NOFILE" in line]
        assert "TRIPTYCH_MAX_CONNECTIONS=2000" in warning and str(few_descriptors.HARD_LIMIT) in warning
        assert_served_beside_slow_bodies(gateway, 1150)
        log = gateway.log.read_text()
    assert "Too many open files" not in log and "Traceback" not in log


def test_the_soft_limit_of_descriptors_is_raised(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    settings = ONE | {"TRIPTYCH_MAX_CONNECTIONS": "300"}
    with running_gateway(valkey_server.url, tmp_path, module=few_descriptors.__name__, **settings) as gateway:
        assert psutil.Process(gateway.pid).rlimit(psutil.RLIMIT_NOFILE)[0] > 300
        assert "RLIMIT_NOFILE" not in gateway.log.read_text()


def test_the_rest_of_a_refused_body_is_dropped(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    with running_gateway(valkey_server.url, tmp_path, **ONE) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as connection:
            # The next request on the connection begins behind the body of the one that was refused.
            refused = b"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000
            connection.sendall(refused + b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 404") and b"HTTP/1.1 200" in received
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S) as connection:
            connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n")
            with pytest.raises(OSError):  # the gateway does not read it to its end
                for _ in range(1000):
                    connection.sendall(b"x" * 1_000_000)
