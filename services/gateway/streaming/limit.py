"""Limits how many streams are open in this process: each holds a connection and a greenlet until its job ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.gateway.http.errors import TooManyStreams


class StreamLimit:
    """Counts the open streams of all routes."""

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self.num_open = 0

    @contextmanager
    def acquired(self) -> Iterator[None]:
        """Count one stream until the ``with`` block ends.

        Raises:
            TooManyStreams: the limit is reached.
        """
        # No lock is needed: another greenlet runs only when this one waits for I/O, which it does not do here.
        if self.num_open >= self._max_streams:
            raise TooManyStreams
        self.num_open += 1
        try:
            yield
        finally:
            self.num_open -= 1
