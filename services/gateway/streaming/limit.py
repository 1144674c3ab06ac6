"""Limits how many streams are open in this gateway: each holds a connection and a greenlet until its job ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from services.gateway.http.errors import TooManyStreams, TooManyTenantStreams
from services.gateway.processes.counters import Counted, Counters


class StreamLimit:
    """Counts the open streams of all routes and all processes, and of each tenant.

    While the gateway is open to everybody, all its clients are one tenant, so only the limit of all streams holds.
    """

    def __init__(
        self, max_streams: int, max_tenant_streams: int, counters: Counters, is_open: Callable[[], bool]
    ) -> None:
        self._max_streams = max_streams
        self._max_tenant_streams = max_tenant_streams
        self._counters = counters
        self._is_open = is_open

    @contextmanager
    def acquired(self, tenant: str) -> Iterator[None]:
        """Count one stream until the ``with`` block ends.

        Raises:
            TooManyTenantStreams: the tenant has reached its limit.
            TooManyStreams: the limit of all is reached.
        """
        with ExitStack() as counted:
            if not self._is_open():
                if not self._counters.try_add_for(tenant, 1, most=self._max_tenant_streams):
                    raise TooManyTenantStreams(
                        f"You have {self._max_tenant_streams} event streams open, as many as you may have. "
                        "Close one, or poll the job."
                    )
                counted.callback(self._counters.add_for, tenant, -1)
            if not self._counters.try_add(Counted.STREAMS, 1, most=self._max_streams):
                raise TooManyStreams
            counted.callback(self._counters.add, Counted.STREAMS, -1)
            yield
