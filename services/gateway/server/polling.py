"""`select.poll` as gevent replaces it, except that it asks the kernel first.

redis-py polls each connection before it uses it, and after each message. gevent's version makes watchers for that, and
waits for a turn of the loop even if it is not to wait at all.
"""

from typing import Any

import gevent.select
from gevent import monkey

_plain_poll: Any = monkey.get_original("select", "poll")
ALL_EVENTS = gevent.select.POLLIN | gevent.select.POLLOUT


class QuickPoll(gevent.select.poll):  # type: ignore[misc]
    """Makes only its greenlet wait, and that only if nothing is there yet. The interface is that of `select.poll`."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = _plain_poll()

    def register(self, fd: Any, eventmask: int = ALL_EVENTS) -> None:
        """Watch a file descriptor, or change what is watched."""
        super().register(fd, eventmask)
        self._plain.register(fd, eventmask)

    def unregister(self, fd: Any) -> None:
        """Watch a file descriptor no more."""
        super().unregister(fd)
        self._plain.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Return what is ready as (file descriptor, events), after ``timeout`` milliseconds at most."""
        ready: list[tuple[int, int]] = self._plain.poll(0)
        if not ready and timeout != 0:
            ready = super().poll(timeout)
        return ready
