"""One tenant has half of what a gateway has for all at most: room for bodies, requests, and calls of the child.

Another tenant's small request passes while one fills everything. While no key is needed, nobody has a share.
"""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from services.gateway.auth.api_keys import ApiKeys
from tests.gateway.fakes.worker import UNSERVED, announce, store_of
from tests.gateway.gateway_process import GatewayProcess, running_gateway
from tests.support.valkey import ValkeyServer, running_valkey
from tests.support.waiting import PATIENCE_S, wait_until

MEBIBYTE = 1 << 20
SETTINGS = {
    "TRIPTYCH_BODY_TIMEOUT_S": "600",
    "TRIPTYCH_MAX_BODY_BYTES": str(MEBIBYTE),
    "TRIPTYCH_MAX_BODIES_BYTES": str(8 * MEBIBYTE),
    "TRIPTYCH_MAX_CONNECTIONS": "40",
}


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with running_valkey(tmp_path_factory.mktemp("shares") / "valkey") as server:
        announce(server.url)
        yield server


@pytest.fixture(scope="module")
def keys(valkey: ValkeyServer) -> dict[str, str]:
    """A key for each of two tenants."""
    store = store_of(valkey.url)
    made = {tenant: ApiKeys(store.client).create(tenant) for tenant in ("ann", "bob")}
    store.client.close()
    return made


@pytest.fixture(scope="module", params=["1", "2"])
def gateway(
    request: pytest.FixtureRequest, valkey: ValkeyServer, keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway of one process, and of two that share its room."""
    settings = SETTINGS | {"TRIPTYCH_GATEWAY_PROCESSES": request.param}
    with running_gateway(valkey.url, tmp_path_factory.mktemp("shares-gateway"), **settings) as running:
        yield running


@contextmanager
def client_of(gateway: GatewayProcess, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"X-API-Key": key}, timeout=PATIENCE_S) as client:
        yield client


def half_sent(gateway: GatewayProcess, key: str, num_bytes: int) -> socket.socket:
    """Send a body but for its last byte."""
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S)
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {num_bytes}\r\n\r\n"
    )
    connection.settimeout(0.5)
    with suppress(OSError):
        connection.sendall(head.encode() + b"x" * (num_bytes - 1))
    return connection


def body(num_bytes: int) -> dict[str, object]:
    return {"task": "embed", "model": UNSERVED, "inputs": "x" * num_bytes}


def body_bytes(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith("triptych_body_bytes "))


def test_the_room_for_bodies_is_not_one_tenants(gateway: GatewayProcess, keys: dict[str, str]) -> None:
    with ExitStack() as stack:
        ann, bob = (stack.enter_context(client_of(gateway, keys[name])) for name in ("ann", "bob"))
        flood = [half_sent(gateway, keys["ann"], 1_000_000) for _ in range(3)]
        try:
            wait_until(lambda: body_bytes(bob) > 2.8 * MEBIBYTE, "the flood does not arrive")
            flood += [half_sent(gateway, keys["ann"], 1_000_000) for _ in range(6)]
            for _ in range(5):
                assert bob.post("/v1/jobs", json=body(1_000_000)).status_code == 202
                assert bob.post("/v1/jobs", json=body(100)).status_code == 202
            assert body_bytes(bob) <= 3.5 * MEBIBYTE + 100_000, "half of the 7 MiB for clients whose key is known"
            refused = ann.post("/v1/jobs", json=body(1_000_000))
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "gateway_share_reached")
            assert int(refused.headers["Retry-After"]) > 0
        finally:
            for connection in flood:
                connection.close()
        wait_until(lambda: body_bytes(bob) == 0, "bytes of bodies that are gone still count")
        assert ann.post("/v1/jobs", json=body(1_000_000)).status_code == 202


def test_the_room_for_requests_that_wait_is_not_one_tenants(gateway: GatewayProcess, keys: dict[str, str]) -> None:
    """Each holds a connection, and its texts."""
    with ExitStack() as stack:
        bob = stack.enter_context(client_of(gateway, keys["bob"]))
        raw = json.dumps(body(10)).encode()
        head = (
            f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {keys['ann']}\r\nPrefer: wait=60\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        )
        waiting: list[socket.socket] = []
        stack.callback(lambda: [connection.close() for connection in waiting])
        for _ in range(36):
            waiting.append(socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_S))
            waiting[-1].sendall(head.encode() + raw)
        # A process has half of its connections for one tenant, and the kernel chooses the process of a connection. One
        # that is crowded ends connections that wait for nothing.
        answered = lambda: select.select(waiting, [], [], 0.1)[0]  # noqa: E731
        wait_until(lambda: len(answered()) >= 6, "one tenant has all connections")
        statuses = [connection.recv(12) for connection in answered()]
        assert b"HTTP/1.1 429" in statuses and set(statuses) <= {b"HTTP/1.1 429", b""} and len(statuses) < 36
        for _ in range(5):
            assert bob.post("/v1/jobs", json=body(10)).status_code == 202
        # What holds no connection is served: else she could not even cancel her jobs to get out.
        for _ in range(5):  # on new connections, any of whose processes may be crowded
            with client_of(gateway, keys["ann"]) as ann:
                listed = ann.get("/v1/jobs", params={"status": "queued"})
                assert (listed.status_code, ann.get("/v1/usage").status_code) == (200, 200)
                assert ann.post(f"/v1/jobs/{listed.json()['data'][-1]['id']}/cancel").status_code == 200


def test_in_an_open_gateway_nobody_has_a_share(tmp_path: Path) -> None:
    """All clients are one tenant, so half of the room would only be lost."""
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey(tmp_path / "valkey"))
        announce(valkey.url)
        gateway = stack.enter_context(
            running_gateway(valkey.url, tmp_path, **SETTINGS | {"TRIPTYCH_GATEWAY_PROCESSES": "1"})
        )
        client = stack.enter_context(client_of(gateway, ""))
        flood = [half_sent(gateway, "", 1_000_000) for _ in range(5)]
        stack.callback(lambda: [connection.close() for connection in flood])
        wait_until(lambda: body_bytes(client) > 4 * MEBIBYTE, "an open gateway has shares")
