"""Whether this gateway lives, whether it can do its work, and its metrics; all open, for those who look after it."""

from typing import Literal

import msgspec
from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST

from services.gateway.http.operations import Answer, Operation
from services.gateway.jobs.view import json_response
from services.gateway.jobs.waiting import WakeUps
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import Monitor


class Health(msgspec.Struct, frozen=True):
    """`ok`, or why not."""

    status: Literal["ok", "unavailable"]
    reasons: list[str] = []


class HealthRoutes:
    """Views of the gateway's own state."""

    def __init__(self, monitor: Monitor, wake_ups: WakeUps, metrics: Metrics) -> None:
        self._monitor = monitor
        self._wake_ups = wake_ups
        self._metrics = metrics

    def live(self) -> Response:
        """Answer that the process serves requests."""
        return json_response(Health("ok"))

    def ready(self) -> Response:
        """Answer whether a job submitted now would be taken and could be run."""
        reasons = []
        if not self._monitor.store_answers:
            reasons.append("The job store does not answer.")
        elif self._monitor.store_is_full:
            reasons.append("The job store is nearly full.")
        if not self._monitor.models:
            reasons.append("No worker has announced a model yet.")
        if self._wake_ups.closing:
            reasons.append("The gateway is stopping.")
        if reasons:
            response = json_response(Health("unavailable", reasons), 503)
            response.headers["Retry-After"] = "1"
            return response
        return json_response(Health("ok"))

    def metrics(self) -> Response:
        """Answer the metrics in Prometheus's text format."""
        return Response(self._metrics.exposition(), content_type=CONTENT_TYPE_LATEST)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        well = {200: Answer("All is well.", Health)}
        return [
            Operation(
                "GET", "/livez", self.live, "Service", "Whether the process serves requests", well, needs_key=False
            ),
            Operation(
                "GET", "/readyz", self.ready, "Service", "Whether it can take jobs",
                {**well, 503: Answer("Not now, and why.", Health)}, needs_key=False,
            ),
            Operation(
                "GET", "/metrics", self.metrics, "Service", "Metrics for Prometheus",
                {200: Answer("The metrics.", str, "text/plain")}, needs_key=False,
            ),
        ]  # fmt: skip
