"""What crosses the socket between the gateway and its child: a head in JSON, and bytes that stay as they are."""

import socket
import struct
from collections.abc import Callable
from typing import Literal

import msgspec

_SIZES = struct.Struct("!IQ")
_STEP_BYTES = 1 << 20


class Call(msgspec.Struct, frozen=True):
    """A call of a function, which is named ``module:name``. The bytes that follow are its argument."""

    function: str
    cpu_s: float


class Reply(msgspec.Struct, frozen=True):
    """How a call ended. After ``done`` its result follows; ``refused`` is an error of ``contracts.errors``."""

    outcome: Literal["done", "refused", "failed", "memory"]
    code: str = ""
    message: str = ""
    param: str | None = None


def send(connection: socket.socket, head: Call | Reply, data: bytes) -> None:
    """Send one frame. Raises OSError if the other side has ended."""
    encoded = msgspec.json.encode(head)
    connection.sendall(_SIZES.pack(len(encoded), len(data)) + encoded)
    connection.sendall(data)


def receive(connection: socket.socket, *, pause: Callable[[], object] = lambda: None) -> tuple[bytes, bytes]:
    """Return the head and the bytes of the next frame. ``pause`` is called after each MiB.

    Raises:
        EOFError: the other side has ended.
    """
    head_size, data_size = _SIZES.unpack(_exactly(connection, _SIZES.size, pause))
    return _exactly(connection, head_size, pause), _exactly(connection, data_size, pause)


def _exactly(connection: socket.socket, size: int, pause: Callable[[], object]) -> bytes:
    received = bytearray(size)
    view, done = memoryview(received), 0
    while done < size:
        step = connection.recv_into(view[done : done + _STEP_BYTES])
        if not step:
            raise EOFError
        if done // _STEP_BYTES != (done + step) // _STEP_BYTES:
            pause()
        done += step
    return bytes(received)
