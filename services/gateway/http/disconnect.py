"""Finds out whether the client of a request has disconnected. Otherwise only a failed write would show it."""

import _socket
import socket
from collections.abc import Callable
from typing import Any

from flask import Request


def disconnect_check(request: Request) -> Callable[[], bool]:
    """Return a function that says whether the client of this request has closed its connection.

    A client that has closed only its sending half counts as disconnected, as it does for most proxies: the two cases
    look the same until something is written. Outside of gunicorn, as in tests without a server, no client disconnects.
    """
    connection: Any = request.environ.get("gunicorn.socket")
    return lambda: connection is not None and _is_closed(connection.fileno())


def _is_closed(descriptor: int) -> bool:
    if descriptor < 0:
        return True
    # gevent's own socket would block this greenlet until data arrives, but a client that waits for its response sends
    # none. The standard library's socket on the same descriptor asks the kernel and returns at once.
    raw = _socket.socket(fileno=descriptor)
    try:
        return raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        # Without this the descriptor, which is still the server's, would be closed with `raw`.
        raw.detach()
