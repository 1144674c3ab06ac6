"""Limits how many streams are open in this gateway: each holds a connection and a greenlet until its job ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.gateway.http.errors import TooManyStreams
from services.gateway.processes.counters import Counted, Counters


class StreamLimit:
    """Counts the open streams of all routes and all processes."""

    def __init__(self, max_streams: int, counters: Counters) -> None:
        self._max_streams = max_streams
        self._counters = counters

    @contextmanager
    def acquired(self) -> Iterator[None]:
        """Count one stream until the ``with`` block ends.

        Raises:
            TooManyStreams: the limit is reached.
        """
        if not self._counters.try_add(Counted.STREAMS, 1, most=self._max_streams):
            raise TooManyStreams
        try:
            yield
        finally:
            self._counters.add(Counted.STREAMS, -1)
