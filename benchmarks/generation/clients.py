"""Clients of generating models, many in one thread: each sends its requests one after another, streamed or not.

Like those of ``benchmarks.harness.http_clients`` they must cost little CPU: they keep what arrives with its time, and
``benchmarks.generation.responses`` parses it after the run.
"""

import heapq
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.generation.responses import Request, Response
from benchmarks.harness.http_clients import TIMEOUT_S
from benchmarks.harness.report import BenchError

LONG_WAIT = {"TRIPTYCH_MAX_WAIT_S": "600"}
"""A setting of the gateway for clients that do not stream: on a busy machine an answer may take longer than 60 s."""


class Numbered(NamedTuple):
    """A request, and the ``index`` of its response."""

    number: int
    request: Request


@dataclass(frozen=True)
class Script:
    """What one client does: wait, send a request, receive its response, and so on until no request is left.

    Clients that share a deque take turns with its requests.
    """

    requests: deque[Numbered]
    start_s: float = 0.0
    """Pause before the first request."""
    pause_s: float = 0.0
    """Pause before each of the others."""


class _Client:
    """One connection that runs its script."""

    def __init__(self, port: int, script: Script, selector: selectors.BaseSelector) -> None:
        self.script = script
        self.responses: list[Response] = []
        self._port = port
        self._selector = selector
        self._socket: socket.socket | None = None

    def send(self) -> bool:
        """Send the next request; with none left, disconnect and return False."""
        if not self.script.requests:
            self.close()
            return False
        if self._socket is None:
            # Connected with the first request, so that a client that starts later connects later, as users do.
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_S)
            # Without it Nagle's algorithm may hold a request back for 40 ms.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        index, request = self.script.requests.popleft()
        self.responses.append(Response(index, request, time.perf_counter()))
        self._socket.sendall(request.body)
        return True

    def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def receive(self) -> bool:
        """Read what has arrived; return whether the response is complete."""
        assert self._socket is not None
        response = self.responses[-1]
        chunk = self._socket.recv(1 << 20)
        if not chunk:
            raise BenchError(f"the server closed the connection after {bytes(response.received[-500:])!r}")
        response.received += chunk
        # Nothing is parsed now: the clients share the cores with the servers.
        response.arrivals.append((time.perf_counter(), len(response.received)))
        return response.is_complete()


def numbered(requests: Sequence[Request]) -> deque[Numbered]:
    """Return requests numbered in their order, for clients that take turns with them."""
    return deque(Numbered(index, request) for index, request in enumerate(requests))


def run_scripts(port: int, scripts: Sequence[Script], leader: Script | None = None) -> list[Response]:
    """Run scripts concurrently against a server of this machine; return all responses, by their indices.

    Args:
        port: where the server listens.
        scripts: one for each client.
        leader: one more client, which starts when every other client has received something. When it ends, the others
            disconnect, and their last responses stay incomplete.

    Raises:
        BenchError: no response within two minutes, or a connection was closed.
    """
    with selectors.DefaultSelector() as selector:
        clients = [_Client(port, script, selector) for script in [*scripts, *([leader] if leader else [])]]
        try:
            _EventLoop(clients, clients[-1] if leader else None, selector).run()
        finally:
            for client in clients:
                client.close()
    return sorted((response for client in clients for response in client.responses), key=lambda found: found.index)


class _EventLoop:
    """Runs the scripts of several clients."""

    def __init__(self, clients: Sequence[_Client], leader: _Client | None, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._leader = leader
        self._running = {id(client): client for client in clients}
        self._silent = {id(client) for client in clients if client is not leader}
        """Clients that have received nothing yet."""
        self._due: list[tuple[float, int]] = []
        """A heap: when to send the next request, and for which client."""

    def run(self) -> None:
        """Run until all clients, or the leader, are done."""
        for client in self._running.values():
            if client is not self._leader:
                self._send_in(client.script.start_s, client)
        while self._running:
            ready = self._selector.select(self._pause_s())
            if not ready and not self._due:
                raise BenchError(f"no response for {TIMEOUT_S:g} s, {len(self._running)} clients wait")
            for key, _ in ready:
                self._receive(key.data)
            while self._due and self._due[0][0] <= time.perf_counter():
                self._send(self._running[heapq.heappop(self._due)[1]])

    def _pause_s(self) -> float:
        return max(0.0, self._due[0][0] - time.perf_counter()) if self._due else TIMEOUT_S

    def _send_in(self, pause_s: float, client: _Client) -> None:
        # The id and not the client: when two times are equal, the heap compares what comes next.
        heapq.heappush(self._due, (time.perf_counter() + pause_s, id(client)))

    def _send(self, client: _Client) -> None:
        if not client.send():
            del self._running[id(client)]
            if client is self._leader:
                self._running.clear()
                self._due.clear()

    def _receive(self, client: _Client) -> None:
        is_complete = client.receive()
        if self._leader and id(client) in self._silent:
            self._silent.discard(id(client))
            if not self._silent:
                self._send_in(self._leader.script.start_s, self._leader)
        if is_complete:
            self._send_in(client.script.pause_s, client)
