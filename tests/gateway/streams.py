"""Reading streams of server-sent events as tests want them: items with their ids, and the comments between them."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from contracts.job_store import JobStore
from contracts.jobs import TERMINAL, Job
from tests.gateway.gateway_process import GatewayProcess
from tests.support.waiting import wait_until


def items_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the items of a stream to its end, each ``{"id", "data", "comments"}``, where data is parsed JSON."""
    assert answer.status_code == 200, answer.read()
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["X-Accel-Buffering"] == "no" and answer.headers["Cache-Control"] == "no-store"
    return list(each_item(answer))


def each_item(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    item: dict[str, Any] = {"comments": []}
    # A frame that were cut within a character would not be UTF-8.
    for raw in _lines(answer):
        line = raw.decode()
        name, _, value = line.partition(": ")
        if line == "" and "data" in item:
            yield item
            item = {"comments": []}
        elif name == "":
            item["comments"].append(value)
        elif name:
            item[name] = json.loads(value) if name == "data" and value != "[DONE]" else value


def _lines(answer: httpx.Response) -> Iterator[bytes]:
    rest = b""
    for chunk in answer.iter_raw():
        chunk.decode()
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


@contextmanager
def dropped_after(gateway: GatewayProcess, path: str, body: dict[str, Any], **headers: str) -> Iterator[socket.socket]:
    """Send a request on a connection of its own, which is closed at the end of the ``with`` block."""
    content = json.dumps(body).encode()
    fields = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
        yield connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Return what comes over a raw connection until these bytes have come."""
    received = b""
    while wanted not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


def end_of(store: JobStore, job_id: str, timeout_s: float = 4) -> Job:
    """Return a job once it has ended, or is being cancelled."""
    return wait_until(lambda: _ended(store, job_id), timeout_s, f"job {job_id} has not ended")


def _ended(store: JobStore, job_id: str) -> Job | None:
    job = store.read(job_id, "default")
    return job if job.status in TERMINAL | {"cancelling"} else None
