"""A request to generate a text and its response: complete, or as a stream of server-sent events."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from benchmarks.harness.report import BenchError

# The chunk of length 0 that ends a chunked response (RFC 9112).
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class ResponseFormat:
    """Where the responses of a route have their texts."""

    text: Callable[[Any], str]
    """The text in the document of a response that is not streamed."""
    deltas: Callable[[bytes], list[str]]
    """The texts in the data of one event."""
    is_last: Callable[[bytes], bool]
    """Whether the data of an event says that the stream ended well."""


@dataclass(frozen=True)
class Request:
    """One request as it is sent, and how to parse its response."""

    body: bytes
    streamed: bool
    format: ResponseFormat


@dataclass
class Response:
    """What came back for one request. Times are those of ``time.perf_counter()``."""

    index: int
    request: Request
    sent_at: float
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """When something arrived, and the number of bytes received by then."""
    received: bytearray = field(default_factory=bytearray)

    @property
    def ended_at(self) -> float:
        """When the last byte arrived."""
        return self.arrivals[-1][0]

    def is_complete(self) -> bool:
        """Return whether all bytes of the response are here."""
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return False
        if b"transfer-encoding: chunked" in bytes(self.received[:head]).lower():
            # No event ends like this, since JSON escapes its line breaks.
            return self.received.endswith(_LAST_CHUNK)
        _, _, length = bytes(self.received[:head]).lower().partition(b"\r\ncontent-length:")
        return len(self.received) >= head + 4 + int(length.split(b"\r\n")[0])

    def text(self) -> str:
        """Return the generated text.

        Raises:
            BenchError: the request was refused, or the stream ended with an error.
        """
        head, _, body = bytes(self.received).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"the response is {bytes(self.received[:500])!r}")
        if not self.request.streamed:
            return self.request.format.text(json.loads(body))
        *_, (_, last) = [(0, b""), *_events(self.received)]
        if not self.request.format.is_last(last):
            raise BenchError(f"a stream did not end well: {bytes(self.received[-500:])!r}")
        return "".join(text for _, text in self.deltas())

    def deltas(self) -> Iterator[tuple[float, str]]:
        """Yield the deltas of a stream, each with the time of its arrival; also those without text."""
        arrivals = iter(self.arrivals)
        at, size = 0.0, 0
        for end, data in _events(self.received):
            while size < end:
                at, size = next(arrivals)
            for text in self.request.format.deltas(data):
                yield at, text

    def first_text_s(self) -> float:
        """Return the time from the request to the first text of the stream."""
        first_at = next((at for at, text in self.deltas() if text), None)
        if first_at is None:
            raise BenchError(f"a stream without text: {bytes(self.received[-500:])!r}")
        return first_at - self.sent_at

    def gaps(self) -> Iterator[tuple[float, float]]:
        """Yield the arrival time of deltas and the time for each since the arrival before, except for the first."""
        arrivals = [(at, len(list(deltas))) for at, deltas in groupby(self.deltas(), key=lambda delta: delta[0])]
        for (before, _), (at, num_deltas) in pairwise(arrivals):
            yield at, (at - before) / num_deltas


def _events(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Yield the data of each event with its end. The gateway never splits an event between two HTTP chunks."""
    start = received.find(b"\r\n\r\n")
    while (start := received.find(b"data: ", start)) >= 0:
        end = received.find(b"\n\n", start)
        if end < 0:  # the client disconnected in the middle of an event
            return
        yield end, bytes(received[start + 6 : end])
        start = end
