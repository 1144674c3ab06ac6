"""One line in the log for each request, written when its response has been sent: of a stream, at its end.

The lines of a tenth of a second are written together: one by one, in the middle of other work, they cost several times
as much.
"""

import atexit
import logging
import time

import gevent

from contracts.logs.lines import log_line
from services.gateway.http.request_facts import RequestFacts

logger = logging.getLogger(__name__)
DELAY_S = 0.1
# Orchestrators and Prometheus call these every few seconds, which would bury the requests of clients.
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})


class RequestLog:
    """Collects what is known of requests that have ended, and writes their lines a little later."""

    def __init__(self) -> None:
        self._ended: list[tuple[float, RequestFacts]] = []
        # The process may end before the greenlet has run.
        atexit.register(self.write)

    def add(self, facts: RequestFacts) -> None:
        """Note a request that has ended now."""
        self._ended.append((time.time(), facts))
        if len(self._ended) == 1:
            gevent.spawn_later(DELAY_S, self.write)

    def write(self) -> None:
        """Write the lines of all requests that have been noted."""
        ended, self._ended = self._ended, []
        for ended_at, facts in ended:
            _write_line(facts, ended_at)


def _write_line(facts: RequestFacts, ended_at: float) -> None:
    # What failed on our side has lines of its own, so the status does not matter for the level.
    level = logging.DEBUG if facts.route in _PROBES else logging.INFO
    fields = {
        "method": facts.method,
        "route": facts.route,
        "status": facts.status,
        "ms": facts.ms,
        "tenant": facts.tenant,
        "job_id": facts.job_id,
        "request_id": facts.id,
        "error_code": facts.error_code,
        "bytes_in": facts.bytes_in,
        "bytes_out": facts.bytes_out,
        "disconnected": facts.disconnected or None,
    }
    # Anybody can send requests that are refused, as many as the network takes. Jobs are limited by other means.
    limited = facts.status >= 400 or facts.tenant is None
    alike = {"status": facts.status, "tenant": facts.tenant} if limited else None
    log_line(logger, level, "request", fields, alike=alike, at=ended_at)
