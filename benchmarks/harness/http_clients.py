"""Many HTTP clients in one thread: keep-alive connections that each send the next request after a response.

The clients share the two cores with the servers that they measure, so they must cost little CPU: requests are encoded
beforehand, responses stay bytes, and one epoll loop serves all connections.
"""

import json
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.harness.report import BenchError

TIMEOUT_S = 120.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Run:
    """The response bodies of one list of requests, in their order."""

    elapsed_s: float
    bodies: list[bytes]

    @property
    def per_second(self) -> float:
        """Responses per second."""
        return len(self.bodies) / self.elapsed_s


class Client:
    """One connection, with at most one request in flight."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        # Without it Nagle's algorithm may hold a request back for 40 ms.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.index = -1
        self._received = bytearray()
        self._size = 0

    def send(self, index: int, request: bytes) -> None:
        """Send the request with this index."""
        self.index = index
        self._received.clear()
        self._size = 0
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bytes] | None:
        """Read what has arrived; return status and body once the response is complete."""
        # Large enough for a response of 32 vectors in few calls: the client's CPU time is taken from the servers.
        chunk = self.socket.recv(1 << 20)
        if not chunk:
            raise BenchError(f"the server closed the connection after {bytes(self._received[:200])!r}")
        self._received += chunk
        if not self._size and (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end + 2)
            if length is None:
                raise BenchError(f"a response without Content-Length: {bytes(self._received[:end])!r}")
            self._head = end + 4
            self._size = self._head + int(length[1])
        if not self._size or len(self._received) < self._size:
            return None
        # "HTTP/1.1 200 …": the status is always at the same place.
        return int(self._received[9:12]), bytes(self._received[self._head :])


def post(path: str, document: object, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a request that posts ``document`` as JSON."""
    body = json.dumps(document).encode()
    lines = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": len(body), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def drive(port: int, requests: Sequence[bytes], num_clients: int, status: int = 200) -> Run:
    """Send all requests to a server of this machine with ``num_clients`` concurrent clients, and time them as a whole.

    Raises:
        BenchError: a response has another status than ``status``, or none comes within two minutes.
    """
    clients = [Client(port) for _ in range(min(num_clients, len(requests)))]
    try:
        return _drive(clients, requests, status)
    finally:
        for client in clients:
            client.socket.close()


def _drive(clients: Iterable[Client], requests: Sequence[bytes], status: int) -> Run:
    bodies: list[bytes] = [b""] * len(requests)
    todo = deque(enumerate(requests))
    num_left = len(requests)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        # All connections are open by now: a run measures requests, not TCP handshakes.
        started = time.perf_counter()
        for client in clients:
            client.send(*todo.popleft())
        while num_left:
            ready = selector.select(TIMEOUT_S)
            if not ready:
                raise BenchError(f"no response for {TIMEOUT_S:g} s, {num_left} requests left")
            for key, _ in ready:
                client = key.data
                answer = client.receive()
                if answer is None:
                    continue
                if answer[0] != status:
                    raise BenchError(f"status {answer[0]} instead of {status}: {answer[1][:300]!r}")
                bodies[client.index] = answer[1]
                num_left -= 1
                if todo:
                    client.send(*todo.popleft())
                else:
                    # On a busy machine the others take longer than the time after which the server closes idle
                    # connections, and that must not count as a lost response.
                    selector.unregister(client.socket)
    return Run(time.perf_counter() - started, bodies)


class OneClient:
    """A client that waits for each response, to measure latencies. Use it in a ``with`` block."""

    def __init__(self, port: int) -> None:
        self._client = Client(port)

    def __enter__(self) -> "OneClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.socket.close()

    def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its response."""
        self._client.send(0, request)
        while (answer := self._client.receive()) is None:
            pass
        if answer[0] != 200:
            raise BenchError(f"status {answer[0]}: {answer[1][:300]!r}")
        return answer[1]
