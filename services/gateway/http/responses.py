"""Responses that are not errors: JSON, and streams of server-sent events."""

from collections.abc import Callable, Iterator

import msgspec
from flask import Response


def json_response(document: object, status: int = 200) -> Response:
    """Return a document as a JSON response that no cache may keep."""
    return raw_json_response(msgspec.json.encode(document), status)


def raw_json_response(encoded: bytes, status: int = 200) -> Response:
    """Return what is JSON already as such a response."""
    return no_store(Response(encoded, status, mimetype="application/json"))


def event_stream_response(frames: Iterator[bytes], on_close: Callable[[], None]) -> Response:
    """Return frames of server-sent events as a response; ``on_close`` runs when it ends, however it ends."""
    # Flask sends an iterator chunk by chunk, and gunicorn each chunk at once.
    response = Response(frames, mimetype="text/event-stream")
    # Cleaning up in the generator's own `finally` would not be enough: a client may disconnect before the generator
    # has started, and the `finally` of a generator that never ran never runs.
    response.call_on_close(on_close)
    # nginx buffers what it receives before it passes it on, unless the response forbids that with this header.
    response.headers["X-Accel-Buffering"] = "no"
    return no_store(response)


def no_store(response: Response) -> Response:
    """Forbid caches to keep a response: it belongs to one tenant, and jobs change."""
    response.headers["Cache-Control"] = "no-store"
    return response
