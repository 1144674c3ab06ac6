"""What gunicorn lets through although HTTP forbids it, and what it says of itself in each response."""

import re
import time
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from gunicorn.http import errors as http
from gunicorn.http.wsgi import Response
from gunicorn.util import http_date

NO_SNIFFING = "X-Content-Type-Options: nosniff"
"""Forbids browsers to take JSON with a client's text in it for a page or a script."""
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9a-f:.]+(?:%[\w.~-]+)?\])(?::\d*)?", re.ASCII | re.IGNORECASE)
"""A name or an address, perhaps with a port (RFC 9110, 7.2). Some programs leave the zone in an address of IPv6."""


class BadHost(http.ParseException):  # type: ignore[misc]
    """A request of HTTP/1.1 without a ``Host`` header, or any request with several, or with one that is no host."""


def check_head(request: Any) -> None:
    """Check the head of a request that gunicorn has parsed, and leave in it only what counts.

    Raises:
        gunicorn.http.errors.ParseException: HTTP (RFC 9112, 3.2 and 6.1) has it refused.
    """
    hosts = [value for name, value in request.headers if name == "HOST"]
    if len(hosts) > 1 or (not hosts and request.version >= (1, 1)):
        raise BadHost
    # An empty one says that the client knows no name.
    if any(host and not _HOST.fullmatch(host) for host in hosts):
        raise BadHost
    for name, value in request.headers:
        # gunicorn takes `gzip, chunked` too, and would pass on a body that nobody decompresses.
        if name == "TRANSFER-ENCODING" and value.strip().lower() != "chunked":
            raise http.UnsupportedTransferCoding(value)
    # A server may ignore it (RFC 9110, 7.8). For `websocket` werkzeug would refuse all routes.
    request.headers = [field for field in request.headers if field[0] != "UPGRADE"]
    if "://" in request.uri and not request.uri.startswith("/"):
        _take_host_of_target(request)


def _take_host_of_target(request: Any) -> None:
    """Make the host of a whole URL in the request line that of the request: ``Host`` does not count then (3.2.2)."""
    host = urlsplit(request.uri).netloc
    if not _HOST.fullmatch(host):
        raise http.InvalidRequestLine(request.uri)
    request.headers = [field for field in request.headers if field[0] != "HOST"] + [("HOST", host)]


class DiscreetResponse(Response):  # type: ignore[misc]
    """gunicorn's response without the line that names gunicorn: it helps only those who look for faults."""

    def default_headers(self) -> list[str]:
        """Return the lines of the head that every response has."""
        major, minor = self.req.version
        lines = [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {'close' if self.should_close() else 'keep-alive'}\r\n",
            f"{NO_SNIFFING}\r\n",
        ]
        return [*lines, "Transfer-Encoding: chunked\r\n"] if self.chunked else lines


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    """Return a time as HTTP has it; it takes as long as all the rest of a response's head."""
    return str(http_date(second))
