"""Finds out whether the client of a request has disconnected. Otherwise only a failed write would show it."""

import select
from collections.abc import Callable
from typing import Any

from flask import Request
from gevent import monkey

from services.gateway.http.request_facts import facts_of

# The kernel's own call, which returns at once: gevent's would let other greenlets run.
_poll: Any = monkey.get_original("select", "poll")


def disconnect_check(request: Request) -> Callable[[], bool]:
    """Return a function that says whether the client of this request has closed its connection.

    A client that has closed only its sending half counts as disconnected, as it does for most proxies: the two cases
    look the same until something is written. Outside of gunicorn, as in tests without a server, no client disconnects.
    """
    connection: Any = request.environ.get("gunicorn.socket")
    facts = facts_of(request.environ)

    def check() -> bool:
        if connection is not None and _is_closed(connection.fileno()):
            facts.disconnected = True
        return facts.disconnected

    return check


def _is_closed(descriptor: int) -> bool:
    if descriptor < 0:
        return True
    poll = _poll()
    # Not a look at the next byte: a client may have sent its next request already, or just a line break, before it
    # closed. This is set as soon as the client sends no more, whatever is still unread, and errors are always reported.
    poll.register(descriptor, select.POLLRDHUP)
    return bool(poll.poll(0))
