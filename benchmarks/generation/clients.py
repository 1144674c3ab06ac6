"""Clients of models that generate, many in one thread: each sends its requests one after another, streamed or not.

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

from benchmarks.generation.responses import Answer, Request
from benchmarks.harness.http_clients import TIMEOUT_S
from benchmarks.harness.report import BenchError

PATIENT = {"TRIPTYCH_MAX_WAIT_S": "600"}
"""The gateway's setting for clients that do not stream: on a busy machine an answer may take longer than its usual
wait."""


class Ask(NamedTuple):
    """A request, and the number under which its answer is found."""

    index: int
    request: Request


@dataclass(frozen=True)
class Script:
    """What one client does: wait, send a request, take its whole answer, and so on until no request is left.

    Clients that share a deque take turns with its requests.
    """

    asks: deque[Ask]
    start_s: float = 0.0
    """How long to wait before the first request."""
    pause_s: float = 0.0
    """How long to wait before each of the others."""


class _Client:
    """One connection on its way through its script, from its first request to its last answer."""

    def __init__(self, port: int, script: Script, selector: selectors.BaseSelector) -> None:
        self.script = script
        self.answers: list[Answer] = []
        self._port = port
        self._selector = selector
        self._socket: socket.socket | None = None

    def send(self) -> bool:
        """Send the next request; with none left, hang up and return False."""
        if not self.script.asks:
            self.close()
            return False
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(self._socket, selectors.EVENT_READ, self)
        ask = self.script.asks.popleft()
        self.answers.append(Answer(ask.index, ask.request, time.perf_counter()))
        self._socket.sendall(ask.request.sent)
        return True

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def receive(self) -> bool:
        """Take in what has arrived; return whether the answer is whole."""
        assert self._socket is not None
        answer = self.answers[-1]
        chunk = self._socket.recv(1 << 20)
        if not chunk:
            raise BenchError(f"the server closed the connection after {bytes(answer.received[-500:])!r}")
        answer.received += chunk
        answer.arrivals.append((time.perf_counter(), len(answer.received)))
        return answer.is_whole()


def ask_all(requests: Sequence[Request]) -> deque[Ask]:
    """Return requests numbered in their order, for clients that take turns with them."""
    return deque(Ask(index, request) for index, request in enumerate(requests))


def play(port: int, scripts: Sequence[Script], leader: Script | None = None) -> list[Answer]:
    """Play scripts side by side against a server of this machine; return all answers, by their numbers.

    Args:
        port: where the server listens.
        scripts: one for each client.
        leader: one more client, which starts when something has come for each of the others. At its end they hang up,
            and their last answers are not whole.

    Raises:
        BenchError: no answer within two minutes, or a connection was closed.
    """
    with selectors.DefaultSelector() as selector:
        clients = [_Client(port, script, selector) for script in [*scripts, *([leader] if leader else [])]]
        try:
            _Play(clients, clients[-1] if leader else None, selector).run()
        finally:
            for client in clients:
                client.close()
    return sorted((answer for client in clients for answer in client.answers), key=lambda answer: answer.index)


class _Play:
    """Clients on their way through their scripts."""

    def __init__(self, clients: Sequence[_Client], leader: _Client | None, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._leader = leader
        self._running = {id(client): client for client in clients}
        self._silent = {id(client) for client in clients if client is not leader}
        """Clients for which nothing has come yet."""
        self._due: list[tuple[float, int]] = []
        """When to send, and for whom."""

    def run(self) -> None:
        """Play to the end."""
        for client in self._running.values():
            if client is not self._leader:
                self._send_in(client.script.start_s, client)
        while self._running:
            ready = self._selector.select(self._pause_s())
            if not ready and not self._due:
                raise BenchError(f"no answer for {TIMEOUT_S:g} s, {len(self._running)} clients wait")
            for key, _ in ready:
                self._receive(key.data)
            while self._due and self._due[0][0] <= time.perf_counter():
                self._send(self._running[heapq.heappop(self._due)[1]])

    def _pause_s(self) -> float:
        return max(0.0, self._due[0][0] - time.perf_counter()) if self._due else TIMEOUT_S

    def _send_in(self, pause_s: float, client: _Client) -> None:
        heapq.heappush(self._due, (time.perf_counter() + pause_s, id(client)))

    def _send(self, client: _Client) -> None:
        if not client.send():
            del self._running[id(client)]
            if client is self._leader:
                self._running.clear()
                self._due.clear()

    def _receive(self, client: _Client) -> None:
        is_whole = client.receive()
        if self._leader and id(client) in self._silent:
            self._silent.discard(id(client))
            if not self._silent:
                self._send_in(self._leader.script.start_s, self._leader)
        if is_whole:
            self._send_in(client.script.pause_s, client)
