"""HTTP as the clients of the run speak it: a connection for each call, so that each may meet another process."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

SILENCE_S = 25.0
"""A connection on which nothing comes for so long is given up; events have a comment every 15 seconds."""
ENDS = ("succeeded", "failed", "cancelled", "expired")


class Lost(Exception):
    """A call got no whole response: nobody knows whether its request was served."""


class Response(NamedTuple):
    """A response. ``data`` is its JSON, or None; of a stream its events as they come."""

    status: int
    headers: dict[str, str]
    data: Any

    @property
    def is_stream(self) -> bool:
        """Whether ``data`` are events."""
        return self.status == 200 and self.headers["content-type"].startswith("text/event-stream")

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later: the store is out of reach, or a limit is reached."""
        return self.status in (429, 502, 503)

    @property
    def is_too_slow(self) -> bool:
        """Whether idle workers would need longer than the deadline that the request has."""
        return self.status == 422 and self.data["error"]["code"] == "deadline_unreachable"


class Event(NamedTuple):
    """One server-sent event."""

    id: str
    name: str
    data: Any


def call(
    url: str, method: str, path: str, body: Any = None, *, timeout_s: float = SILENCE_S, **headers: str
) -> Response:
    """Make one call.

    Raises:
        Lost: no whole response came.
    """
    with _exchange(url, method, path, body, timeout_s, headers) as answer:
        return _whole(answer)


@contextmanager
def stream(url: str, method: str, path: str, body: Any = None, **headers: str) -> Iterator[Response]:
    """Make a call that may be answered by a stream, which can be read in the ``with`` block.

    Raises:
        Lost: the connection broke, before the events or among them.
    """
    with _exchange(url, method, path, body, SILENCE_S, headers) as answer:
        if answer.headers.get_content_type() == "text/event-stream":
            yield Response(answer.status, _headers(answer), _events(answer))
        else:
            yield _whole(answer)


@contextmanager
def _exchange(
    url: str, method: str, path: str, body: Any, timeout_s: float, headers: dict[str, str]
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)
    content = None if body is None else json.dumps(body).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, content, {"Content-Type": "application/json", **fields})
        yield connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise Lost(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _whole(answer: http.client.HTTPResponse) -> Response:
    content = answer.read()
    is_json = answer.headers.get_content_type() == "application/json"
    return Response(answer.status, _headers(answer), json.loads(content) if is_json and content else None)


def _headers(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.getheaders()}


def _events(answer: http.client.HTTPResponse) -> Iterator[Event]:
    """Yield the events until the end of the stream."""
    fields: dict[str, str] = {}
    while line := answer.readline():
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            data = fields["data"]
            yield Event(fields.get("id", ""), fields.get("event", ""), data if data == "[DONE]" else json.loads(data))
            fields = {}
