"""One line in the log for each request, written when its response has been sent: of a stream, at its end."""

import logging

from contracts.logs.lines import log_line
from services.gateway.http.request_facts import RequestFacts

logger = logging.getLogger(__name__)
# Orchestrators and Prometheus call these every few seconds, which would bury the requests of clients.
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})


def log_request(
    facts: RequestFacts,
    *,
    method: str | None,
    status: int,
    seconds: float,
    bytes_out: int,
    bytes_in: int | None = None,
    disconnected: bool = False,
) -> None:
    """Log a request: INFO, or DEBUG for probes, whatever its status. What failed on our side has lines of its own.

    Args:
        facts: what is known of it.
        method: None for a request that is not HTTP.
        status: of the response.
        seconds: from the request's head to the response's end.
        bytes_out: sent of the response's body.
        bytes_in: received of the request's body; None if unknown.
        disconnected: the client has closed the connection before the response's end.
    """
    level = logging.DEBUG if facts.route in _PROBES else logging.INFO
    if not logger.isEnabledFor(level):
        return
    # Anybody can send requests that are refused, as many as the network takes. Jobs are limited by other means.
    limited = status >= 400 or facts.tenant is None
    fields = {
        "method": method,
        "route": facts.route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "tenant": facts.tenant,
        "job_id": facts.job_id,
        "request_id": facts.id,
        "error_code": facts.error_code,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "disconnected": disconnected or None,
    }
    log_line(logger, level, "request", fields, {"status": status, "tenant": facts.tenant} if limited else None)
