"""Lets others have their turn while a body arrives in many small chunks.

gunicorn parses chunks until it has as many bytes as it was asked for. A client that sends a byte a chunk makes a
quarter of a million of them in one call, which holds the event loop for seconds, and on every route: what a view does
not read is read after its response.
"""

from collections.abc import Iterator
from typing import Any

import gevent
from gunicorn.http.body import ChunkedReader

_NUM_CHUNKS = 256
"""A turn: about a millisecond."""


def parse_in_turns(body: Any) -> None:
    """Have a body parsed in turns, if it is chunked."""
    if isinstance(body.reader, ChunkedReader):
        body.reader.parser = _in_turns(body.reader.parser)


def _in_turns(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks, start=1):
        yield chunk
        if number % _NUM_CHUNKS == 0:
            gevent.sleep(0)
