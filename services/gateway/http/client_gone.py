"""Whether the client of a request is still there: nobody else would notice while nothing is written to it."""

import _socket
import socket
from collections.abc import Callable
from typing import Any

from flask import Request


def watcher(request: Request) -> Callable[[], bool]:
    """Return a function that tells whether the client of this request has closed its connection.

    A client that has closed only its sending half counts as gone, as it does with most proxies. Without gunicorn's
    socket nobody is ever gone.
    """
    connection: Any = request.environ.get("gunicorn.socket")
    return lambda: connection is not None and _is_closed(connection.fileno())


def _is_closed(descriptor: int) -> bool:
    if descriptor < 0:
        return True
    # gevent's socket would wait for data, which is not expected; the one below asks the kernel and comes back.
    raw = _socket.socket(fileno=descriptor)
    try:
        return raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        raw.detach()
