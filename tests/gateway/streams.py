"""Clients of streams: they return items with their ids, and the comments between them."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from contracts.jobs import TERMINAL, Job
from tests.gateway.fakes.generation import UNSERVED_GENERATOR, WORDS
from tests.gateway.fakes.seq2seq import UNSERVED_TRANSLATOR
from tests.gateway.gateway_process import GatewayProcess
from tests.support.job_store import JobStore
from tests.support.waiting import PATIENCE_S, wait_until

PROMPT = "say it"
TEXT = f"0:{PROMPT}" + "".join(WORDS)
Body = dict[str, Any]
GENERATE: Body = {"inputs": PROMPT, "model": UNSERVED_GENERATOR, "stream": True}
CHAT: Body = {"model": UNSERVED_GENERATOR, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
COMPLETION: Body = {"model": UNSERVED_GENERATOR, "prompt": PROMPT, "stream": True, "max_tokens": 60}
TRANSLATE: Body = {"inputs": PROMPT, "model": UNSERVED_TRANSLATOR, "stream": True}
ROUTES = [
    ("/v1/generate", GENERATE),
    ("/v1/chat/completions", CHAT),
    ("/v1/completions", COMPLETION),
    ("/v1/translate", TRANSLATE),
]
TASK_ROUTES = {"/v1/generate", "/v1/translate"}


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
def dropped_after(
    gateway: GatewayProcess, path: str, body: Body | bytes, receive_bytes: int | None = None, **headers: str
) -> Iterator[socket.socket]:
    """Send JSON or a form on a connection of its own, which is closed at the end of the ``with`` block.

    With ``receive_bytes`` the kernel takes about so many bytes of the answer before the client reads any.
    """
    with socket.socket() as connection:
        connection.settimeout(PATIENCE_S)
        if receive_bytes is not None:  # before there is a connection, or its window is larger already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.connect(("127.0.0.1", gateway.port))
        connection.sendall(_post(path, body, headers))
        yield connection


def _post(path: str, body: Body | bytes, headers: dict[str, str]) -> bytes:
    is_form = isinstance(body, bytes)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    media_type = "application/x-www-form-urlencoded" if is_form else "application/json"
    fields = {"Host": "localhost", "Content-Type": media_type, "Content-Length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Return what comes over a raw connection until these bytes have come."""
    received = b""
    while wanted not in received:
        delta = connection.recv(65536)
        assert delta, received
        received += delta
    return received


def end_of(store: JobStore, job_id: str) -> Job:
    """Return a job once it has ended, or is being cancelled."""
    return wait_until(lambda: _ended(store, job_id), f"job {job_id} has not ended")


def _ended(store: JobStore, job_id: str) -> Job | None:
    job = store.read(job_id, "default")
    return job if job.status in TERMINAL | {"cancelling"} else None


def text_of(data: Any) -> str:
    """Return the text of one item of any of the routes."""
    if data == "[DONE]" or "error" in data or "output" in data:
        return ""
    if "text" in data:
        return str(data["text"])
    if "token" in data:
        return str(data["token"]["text"])
    return "".join(choice.get("text") or choice.get("delta", {}).get("content", "") for choice in data["choices"])


class Reader:
    """A client that reads a stream to its end in a thread of its own."""

    def __init__(self, gateway: GatewayProcess, path: str, body: Body) -> None:
        self.items: list[dict[str, Any]] = []
        self.status = 0
        self.error: Any = None
        self._call = (gateway.url + path, body)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        url, body = self._call
        with httpx.Client(timeout=PATIENCE_S) as client, client.stream("POST", url, json=body) as answer:
            self.status = answer.status_code
            if answer.status_code != 200:
                self.error = answer.read() and answer.json()["error"]
                return
            self.items.extend(each_item(answer))

    def end(self) -> list[dict[str, Any]]:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.items

    @property
    def text(self) -> str:
        return "".join(text_of(item["data"]) for item in self.end())

    @property
    def comments(self) -> list[str]:
        return [comment for item in self.end() for comment in item["comments"]]


def num_streams(gateway: GatewayProcess) -> int:
    """Return how many streams a gateway has open."""
    metrics = httpx.get(f"{gateway.url}/metrics", timeout=PATIENCE_S).text
    found = re.search(r"^triptych_streams_open (\d+)", metrics, re.MULTILINE)
    assert found is not None
    return int(found[1])
