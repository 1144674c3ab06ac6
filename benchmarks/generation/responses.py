"""A request to write a text, and what came back for it: whole, or as a stream of server-sent events."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from benchmarks.harness.report import BenchError

_CHUNKED_END = b"\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Dialect:
    """Where the answers of a route have their texts."""

    whole: Callable[[Any], str]
    """Of the document of an answer that is not streamed."""
    pieces: Callable[[bytes], list[str]]
    """Of the data of an event."""
    is_last: Callable[[bytes], bool]
    """Whether an event's data says that the stream ended well."""


@dataclass(frozen=True)
class Request:
    """One request as it is sent, and how its answer is to be read."""

    sent: bytes
    streamed: bool
    dialect: Dialect


@dataclass
class Answer:
    """What came back for one request. Times are those of ``time.perf_counter()``."""

    index: int
    request: Request
    sent_at: float
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """When something arrived, and how many bytes there were then."""
    received: bytearray = field(default_factory=bytearray)

    @property
    def ended_at(self) -> float:
        """When it was whole."""
        return self.arrivals[-1][0]

    def is_whole(self) -> bool:
        """Return whether nothing more is to come."""
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return False
        if b"transfer-encoding: chunked" in bytes(self.received[:head]).lower():
            return self.received.endswith(_CHUNKED_END)
        _, _, length = bytes(self.received[:head]).lower().partition(b"\r\ncontent-length:")
        return len(self.received) >= head + 4 + int(length.split(b"\r\n")[0])

    def text(self) -> str:
        """Return the text that was written.

        Raises:
            BenchError: the request was refused, or the stream ended with an error.
        """
        head, _, body = bytes(self.received).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"answered {bytes(self.received[:500])!r}")
        if not self.request.streamed:
            return self.request.dialect.whole(json.loads(body))
        *_, (_, last) = [(0, b""), *_events(self.received)]
        if not self.request.dialect.is_last(last):
            raise BenchError(f"a stream that did not end well: {bytes(self.received[-500:])!r}")
        return "".join(text for _, text in self.pieces())

    def pieces(self) -> Iterator[tuple[float, str]]:
        """Yield the pieces of a streamed text, each with the time of its arrival; pieces without text too."""
        arrivals = iter(self.arrivals)
        at, size = 0.0, 0
        for end, data in _events(self.received):
            while size < end:
                at, size = next(arrivals)
            for text in self.request.dialect.pieces(data):
                yield at, text

    def first_text_s(self) -> float:
        """Return how long the first text of a stream took."""
        first_at = next((at for at, text in self.pieces() if text), None)
        if first_at is None:
            raise BenchError(f"a stream without a text: {bytes(self.received[-500:])!r}")
        return first_at - self.sent_at

    def gaps(self) -> Iterator[tuple[float, float]]:
        """Yield when pieces of a stream came, and how long each took since the arrival before; not for the first."""
        arrivals = [(at, len(list(pieces))) for at, pieces in groupby(self.pieces(), key=lambda piece: piece[0])]
        for (before, _), (at, num_pieces) in pairwise(arrivals):
            yield at, (at - before) / num_pieces


def _events(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Yield the data of each event with where it ends. The gateway puts whole events into its chunks."""
    start = received.find(b"\r\n\r\n")
    while (start := received.find(b"data: ", start)) >= 0:
        end = received.find(b"\n\n", start)
        if end < 0:  # the client has hung up meanwhile
            return
        yield end, bytes(received[start + 6 : end])
        start = end
