"""Connections to one chosen process of a gateway."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import psutil

from tests.gateway.gateway_process import GatewayProcess
from tests.support.processes import freeze
from tests.support.waiting import PATIENCE_S


@contextmanager
def pinned(gateway: GatewayProcess, process: psutil.Process) -> Iterator[HTTPConnection]:
    """Yield a connection that this process has accepted: the others are frozen until it has answered."""
    others = [other for other in gateway.processes if other != process]
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_S)
    for other in others:
        freeze(other.pid)
    try:
        assert call(connection, "GET", "/livez")[0] == 200
    finally:
        for other in others:
            other.send_signal(signal.SIGCONT)
    try:
        yield connection
    finally:
        connection.close()


def call(connection: HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Return the status and the JSON of a response."""
    send(connection, method, path, body)
    return receive(connection)


def send(connection: HTTPConnection, method: str, path: str, body: Any = None) -> None:
    """Send a request and leave its response for later."""
    fields = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, None if body is None else json.dumps(body), fields)


def receive(connection: HTTPConnection) -> tuple[int, Any]:
    """Return the status and the JSON, if there is any, of the response that is still to come."""
    response = connection.getresponse()
    return response.status, json.loads(response.read() or b"null")
