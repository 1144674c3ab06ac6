"""How many streams are open in this process: each holds a connection and a greenlet for as long as its job runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.gateway.http.errors import TooManyStreams


class StreamLimit:
    """Counts open streams of every kind."""

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self.num_open = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count one stream for the length of a ``with`` block.

        Raises:
            TooManyStreams: there are as many as there may be.
        """
        if self.num_open >= self._max_streams:
            raise TooManyStreams
        self.num_open += 1
        try:
            yield
        finally:
            self.num_open -= 1
