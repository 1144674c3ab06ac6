"""What gunicorn lets through although HTTP forbids it, and what it says of itself in each response."""

from typing import Any

from gunicorn.http import errors as http
from gunicorn.http.wsgi import Response

NO_SNIFFING = "X-Content-Type-Options: nosniff"
"""Forbids browsers to take JSON with a client's text in it for a page or a script."""


class BadHost(http.ParseException):  # type: ignore[misc]
    """A request of HTTP/1.1 without a ``Host`` header, or any request with several."""


def check_head(request: Any) -> None:
    """Check the head of a request that gunicorn has parsed.

    Raises:
        gunicorn.http.errors.ParseException: HTTP (RFC 9112, 3.2 and 6.1) has it refused.
    """
    num_hosts = sum(name == "HOST" for name, _ in request.headers)
    if num_hosts > 1 or (num_hosts == 0 and request.version >= (1, 1)):
        raise BadHost
    for name, value in request.headers:
        # gunicorn takes `gzip, chunked` too, and would pass on a body that nobody decompresses.
        if name == "TRANSFER-ENCODING" and value.strip().lower() != "chunked":
            raise http.UnsupportedTransferCoding(value)


class DiscreetResponse(Response):  # type: ignore[misc]
    """gunicorn's response without the line that names gunicorn: it helps only those who look for faults."""

    def default_headers(self) -> list[str]:
        """Return the lines of the head that every response has."""
        lines = [line for line in super().default_headers() if not line.startswith("Server:")]
        return [*lines, f"{NO_SNIFFING}\r\n"]
