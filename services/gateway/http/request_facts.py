"""What is known of a request while it is served, for its line in the log; and its id.

The id joins the lines of the gateway with those of the worker that runs the job. It is the client's `X-Request-Id`, if
that can be logged and sent back as it is, and else a random one.
"""

import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from flask import request

from contracts.limits import MeterState

REQUEST_ID_HEADER = "X-Request-Id"
# Letters, digits and what ids of tracing systems have besides: UUIDs, base64, `Root=1-67891233-abcdef`.
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_KEY = "triptych.request_facts"


@dataclass(slots=True)
class RequestFacts:
    """A request as its line in the log names it; None for what is not known or does not apply."""

    id: str
    route: str | None = None
    """The route's pattern, since paths may have secrets in them, and clients can invent them."""
    tenant: str | None = None
    key_id: str = ""
    """Of the request's API key; empty if it has none that counts."""
    meters: list[MeterState] | None = None
    """The rates that apply to the request, after it; None while the store has not said."""
    job_id: str | None = None
    delivers: str | None = None
    """The job whose end, with all of its output, the response tells."""
    error_code: str | None = None
    store_failed: bool = False
    """A call to the store has failed, or was not answered in time."""
    started_at: float = field(default_factory=time.perf_counter)
    """By ``time.perf_counter()``."""
    bytes_in: int = 0
    """Received of the request's body."""
    # The rest is known when the response has been sent.
    method: str | None = None
    """None for a request that is not HTTP."""
    status: int = 0
    ms: float = 0.0
    """From the request's head to the response's end."""
    bytes_out: int = 0
    """Sent of the response's body."""
    disconnected: bool = False
    """The client has closed the connection before the response's end."""
    is_sent: bool = False
    """All of the response has been sent."""

    @property
    def owner(self) -> str:
        """The tenant whose share of the gateway the request uses; empty while requests need no key."""
        return self.tenant or "" if self.key_id else ""


def new_request_id() -> str:
    """Return a random id of 64 bits."""
    return secrets.token_hex(8)


def facts_of(environ: dict[str, Any]) -> RequestFacts:
    """Return what is known of the request with this WSGI environment; made when it is first asked for."""
    facts = environ.get(_KEY)
    if facts is None:
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        facts = environ[_KEY] = RequestFacts(sent if _SANE_ID.fullmatch(sent) else new_request_id())
    return facts


def current_facts() -> RequestFacts:
    """Return what is known of the request that is being served."""
    return facts_of(request.environ)
