"""A bound on the head of a request: its line and all its fields together."""

from typing import Any

from gunicorn.http.message import Request

MAX_HEAD_BYTES = 64 * 1024
"""A head is held in memory until it is complete, for each connection and before any key is known."""


class BoundedRequest(Request):  # type: ignore[misc]
    """gunicorn's request, which by itself would allow that all its fields have the largest size: 819 kB."""

    def parse(self, unreader: Any) -> Any:
        """Read and parse the head. Raises ``LimitRequestHeaders`` if it is too long."""
        self.max_buffer_headers = MAX_HEAD_BYTES
        return super().parse(unreader)
