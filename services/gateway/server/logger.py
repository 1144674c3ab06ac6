"""The server's log lines: those of gunicorn, and one for each response."""

import sys
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from services.gateway.http.request_facts import facts_of
from services.gateway.server.request_log import RequestLog


class PlainLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without handlers of its own, so that its lines have the format of all others."""

    requests: RequestLog

    def setup(self, cfg: Any) -> None:
        """Pass the lines on to the root logger."""
        self.error_log.propagate = True
        self.requests = RequestLog()

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log one request. gunicorn calls this when the last byte is sent, or when that has failed."""
        facts = facts_of(environ)
        facts.method = req.method
        # A response without a status: the app has raised, and the client gets a 500.
        facts.status = getattr(resp, "status_code", None) or 500
        facts.ms = round(request_time.total_seconds() * 1000, 1)
        facts.bytes_out = resp.sent
        error = sys.exc_info()[1]
        facts.disconnected |= isinstance(error, OSError)
        facts.is_sent = error is None
        self.requests.add(facts)
