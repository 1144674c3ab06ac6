"""`RateLimit` and `RateLimit-Policy`: the rates that apply to a request, on each answer to one that submits a job.

By draft-ietf-httpapi-ratelimit-headers-11: lists of structured fields (RFC 9651), an item for each rate. `q` is the
quota, `w` its window in seconds, `qu` its unit if that is not requests; `r` is what is left, and `t` the seconds until
all of the quota is left again, or while nothing is left those until something is.
"""

import math
from collections.abc import Sequence

import redis
from flask import Flask, Response, request

from contracts.limits import Meter, MeterState
from contracts.store.tenants.limits import Meters
from services.gateway.http.request_facts import RequestFacts, current_facts
from services.gateway.limits.book import LimitBook
from services.gateway.monitoring.monitor import Monitor

RATE_HEADERS = {
    "RateLimit-Policy": "If rates apply: each with its quota `q`, its window `w` in seconds and its unit `qu`, as "
    '`"requests";q=60;w=60`. By draft-ietf-httpapi-ratelimit-headers-11.',
    "RateLimit": "Of each rate what is left of its quota, `r`, and the seconds `t` until all of it is left again, or "
    'if nothing is left, until something is: `"requests";r=59;t=1`.',
}
_WINDOW_S = 60


class RateLimitHeaders:
    """Adds the headers to answers of these operations, given by name."""

    def __init__(self, book: LimitBook, meters: Meters, monitor: Monitor, operations: frozenset[str]) -> None:
        self._book = book
        self._meters = meters
        self._monitor = monitor
        self._operations = operations

    def register(self, app: Flask) -> None:
        """Add them to all answers of an app."""
        app.after_request(self._add)

    def _add(self, response: Response) -> Response:
        facts = current_facts()
        states = self._states(facts) if facts.meters is None else facts.meters
        if states:
            response.headers["RateLimit-Policy"] = ", ".join(_policy(one.meter) for one in states)
            response.headers["RateLimit"] = ", ".join(_left(one) for one in states)
        return response

    def _states(self, facts: RequestFacts) -> Sequence[MeterState]:
        """Return the rates of a request that did not come to the store; none if it is not for a job."""
        if request.endpoint not in self._operations or facts.tenant is None:
            return ()
        if facts.store_failed or not self._monitor.store_answers:
            return ()  # the client has waited for the store long enough
        try:
            meters = self._book.of(facts.tenant, facts.key_id).meters(0.0)
            return self._meters.read(meters, self._monitor.store_time()) if meters else ()
        except redis.RedisError:
            return ()  # the answer says already what is wrong, or else it is better than none


def _name(meter: Meter) -> str:
    return f'"key-{meter.kind}"' if meter.is_of_key else f'"{meter.kind}"'


def _policy(meter: Meter) -> str:
    unit = "" if meter.kind == "requests" else ';qu="work-seconds"'
    return f"{_name(meter)};q={meter.quota};w={_WINDOW_S}{unit}"


def _left(state: MeterState) -> str:
    quota = state.meter.quota
    # Sums of fractions are a little off.
    left = max(0, math.floor(quota - state.used + 1e-6))
    drained = state.used if left else state.used - quota + 1
    return f"{_name(state.meter)};r={left};t={max(0, math.ceil(drained * _WINDOW_S / quota - 1e-6))}"
