"""Connections that send nothing keep nobody out: when there are too many, the oldest of them make room."""

import socket
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.gateway.gateway_process import running_gateway
from tests.gateway.streams import read_until
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until

MAX_CONNECTIONS = 40
NUM_SILENT = 5 * MAX_CONNECTIONS
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_silent_crowd_makes_room(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    settings = {"TRIPTYCH_GATEWAY_PROCESSES": "1", "TRIPTYCH_MAX_CONNECTIONS": str(MAX_CONNECTIONS)}
    with running_gateway(valkey_server.url, tmp_path, ready=False, **settings) as gateway, ExitStack() as stack:
        crowd = []
        for _ in range(NUM_SILENT):
            crowd.append(stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE_S)))
        assert httpx.get(f"{gateway.url}/livez").status_code == 200
        # Closed by the gateway long before each of them would be by itself, 10 s after it was accepted.
        assert crowd[0].recv(1) == b""
        wait_until(lambda: gateway.num_clients <= MAX_CONNECTIONS, "too many connections")
        crowd[-1].sendall(GET)
        assert read_until(crowd[-1], b"\r\n\r\n").startswith(b"HTTP/1.1 200")
