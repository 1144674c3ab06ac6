"""Liveness, readiness and metrics. These routes need no key: probes and Prometheus have none."""

from collections.abc import Callable
from typing import Literal

import msgspec
from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST

from services.gateway.http.operations import Operation, ResponseSpec
from services.gateway.http.responses import json_response
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import NEARLY_FULL, Monitor


class Health(msgspec.Struct, frozen=True):
    """`ok`, or the reasons why not."""

    status: Literal["ok", "unavailable"]
    reasons: list[str] = []


class HealthRoutes:
    """Views of the gateway's own state. ``is_stopping`` says whether the process is shutting down."""

    def __init__(self, monitor: Monitor, metrics: Metrics, is_stopping: Callable[[], bool]) -> None:
        self._monitor = monitor
        self._metrics = metrics
        self._is_stopping = is_stopping

    def live(self) -> Response:
        """Respond that the process serves requests."""
        # The store is not checked: if it is out of reach, it does not help to restart the gateway.
        return json_response(Health("ok"))

    def ready(self) -> Response:
        """Respond whether a job submitted now would be accepted, and whether a model is known that could run it."""
        reasons = []
        if self._monitor.problem:
            reasons.append(self._monitor.problem.sentence)
        elif self._monitor.store_is_full:
            reasons.append(NEARLY_FULL)
        if not self._monitor.models:
            reasons.append("No worker has announced a model yet.")
        if self._is_stopping():
            reasons.append("The gateway is stopping.")
        if reasons:
            response = json_response(Health("unavailable", reasons), 503)
            response.headers["Retry-After"] = "1"
            return response
        return json_response(Health("ok"))

    def metrics(self) -> Response:
        """Respond with the metrics in Prometheus's text format."""
        return Response(self._metrics.exposition(), content_type=CONTENT_TYPE_LATEST)

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        well = {200: ResponseSpec("All is well.", Health)}
        return [
            Operation(
                "GET", "/livez", self.live, "Service", "Whether the process serves requests", well, needs_key=False,
                any_host=True,
            ),
            Operation(
                "GET", "/readyz", self.ready, "Service", "Whether it can take jobs",
                {**well, 503: ResponseSpec("Not now, and why.", Health)}, needs_key=False, any_host=True,
            ),
            Operation(
                "GET", "/metrics", self.metrics, "Service", "Metrics for Prometheus",
                {200: ResponseSpec("The metrics.", str, "text/plain")}, needs_key=False, any_host=True,
            ),
        ]  # fmt: skip
