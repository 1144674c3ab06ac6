"""Many HTTP clients in one thread, each with a connection of its own, as many as it takes.

A client never waits for another one: a request that is due while all connections are busy gets a new one. So requests
can arrive at a given rate, whatever the answers take (an open loop).
"""

import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

CHUNK_BYTES = 1 << 18
IDLE_S = 5.0
"""A connection that was idle for longer is not used again: the gateway closes those after 10 s."""


@dataclass(frozen=True)
class Answer:
    """What came of a request. ``status`` is 0 if the connection broke, and then ``body`` says how."""

    tag: Any
    """What the caller gave with the request."""
    status: int
    head: str
    body: bytes
    took_s: float
    """From the moment when the client began to connect or to send."""
    at: float
    """``time.time()`` when it was here: the store's clock is this machine's."""

    def header(self, name: str) -> str:
        """Return the value of a header field, or an empty text."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    to_send: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytearray = field(default_factory=bytearray)
    size: int = 0
    tag: Any = None
    began: float = 0.0
    idle_since: float = 0.0


class Crowd:
    """Clients of a gateway on this machine. Use it in a ``with`` block."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *exception: object) -> None:
        for connection in [*self._busy, *self._idle]:
            connection.socket.close()
        self._selector.close()

    @property
    def num_waiting(self) -> int:
        """Requests without an answer so far."""
        return len(self._busy)

    def send(self, request: bytes, tag: Any = None) -> None:
        """Send a request, or as much of it as the kernel takes; ``answers`` sends the rest."""
        began = time.monotonic()
        connection = self._take()
        connection.to_send, connection.tag, connection.began = memoryview(request), tag, began
        connection.received.clear()
        connection.size = 0
        self._busy.add(connection)
        self._selector.modify(connection.socket, selectors.EVENT_WRITE | selectors.EVENT_READ, connection)

    def answers(self, timeout_s: float) -> Iterator[Answer]:
        """Yield the answers that are complete, after a wait of ``timeout_s`` at most."""
        for key, events in self._selector.select(max(0.0, timeout_s)):
            connection: _Connection = key.data
            if connection not in self._busy:
                self._drop(connection)  # the gateway has closed an idle one
                continue
            try:
                answer = self._go_on(connection, events)
            except OSError as error:
                self._drop(connection)
                answer = self._answer(connection, 0, "", type(error).__name__.encode())
            if answer is not None:
                yield answer

    def unanswered(self) -> Iterator[Answer]:
        """Yield what still has no answer as broken, and give it up."""
        for connection in list(self._busy):
            self._drop(connection)
            yield self._answer(connection, 0, "", b"no answer")

    def _take(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if time.monotonic() - connection.idle_since < IDLE_S:
                return connection
            self._drop(connection)
        new = _Connection(socket.socket())
        new.socket.setblocking(False)
        new.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BlockingIOError):
            new.socket.connect(("127.0.0.1", self._port))
        self._selector.register(new.socket, selectors.EVENT_READ, new)
        return new

    def _go_on(self, connection: _Connection, events: int) -> Answer | None:
        if events & selectors.EVENT_WRITE:
            with suppress(BlockingIOError):
                sent = connection.socket.send(connection.to_send[:CHUNK_BYTES])
                connection.to_send = connection.to_send[sent:]
            if not connection.to_send:
                self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        if events & selectors.EVENT_READ:
            with suppress(BlockingIOError):
                return self._receive(connection)
        return None

    def _receive(self, connection: _Connection) -> Answer | None:
        chunk = connection.socket.recv(CHUNK_BYTES)
        if not chunk:
            raise ConnectionResetError
        received = connection.received
        received += chunk
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = received[:end].decode("latin-1")
        if not connection.size:
            connection.size = end + 4 + _length(head)
        if len(received) < connection.size:
            return None
        body = bytes(received[end + 4 : connection.size])
        answer = self._answer(connection, int(head[9:12]), head, body)
        # An early refusal of a large body: the rest of it was never sent, so the connection can't go on.
        if connection.to_send or answer.header("connection").lower() == "close":
            self._drop(connection)
        else:
            connection.idle_since = time.monotonic()
            self._busy.discard(connection)
            self._idle.append(connection)
        return answer

    @staticmethod
    def _answer(connection: _Connection, status: int, head: str, body: bytes) -> Answer:
        return Answer(connection.tag, status, head, body, time.monotonic() - connection.began, time.time())

    def _drop(self, connection: _Connection) -> None:
        self._busy.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.socket.close()


def _length(head: str) -> int:
    for line in head.split("\r\n"):
        key, _, value = line.partition(":")
        if key.lower() == "content-length":
            return int(value)
    return 0
