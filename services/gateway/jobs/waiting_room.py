"""Limits how many requests wait for their jobs in this gateway at once.

Each holds a connection, perhaps for a minute, and a gateway with as many as it may have accepts no more. Requests that
take a millisecond, submits that wait for nothing and probes among them, would hang in the kernel meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from services.gateway.processes.counters import Counted, Counters

SHARE = 5 / 8
"""Of all connections. Event streams have a limit of their own, by default a quarter; the rest is for everybody else."""


class WaitingRoom:
    """Counts the requests that wait, in all processes."""

    def __init__(self, max_connections: int, counters: Counters) -> None:
        self._most = int(SHARE * max_connections)
        self._counters = counters

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Yield whether one more request may wait; if so it counts until the ``with`` block ends."""
        is_free = self._counters.try_add(Counted.WAITING_REQUESTS, 1, most=self._most)
        try:
            yield is_free
        finally:
            self._counters.add(Counted.WAITING_REQUESTS, -1 if is_free else 0)
