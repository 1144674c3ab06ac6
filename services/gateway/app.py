"""The composition root: makes the Flask app of a backend and all routes, and is the only place that knows them all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request

from contracts.job_ids import JOB_ID
from contracts.settings import StoreSettings
from services.gateway.api_docs import openapi
from services.gateway.api_docs.page import DocsRoutes
from services.gateway.auth.authentication import Authenticator
from services.gateway.backend import Backend, make_backend
from services.gateway.http import error_responses
from services.gateway.http.bodies.budget import BodyBudget
from services.gateway.http.bodies.checking import SMALL_BYTES
from services.gateway.http.bodies.receiving import release_at_end
from services.gateway.http.body import BodyReader
from services.gateway.http.foreign_pages import AllowedHosts, refuse_unknown_hosts
from services.gateway.http.operations import Operation
from services.gateway.http.request_facts import REQUEST_ID_HEADER, current_facts
from services.gateway.http.sync_app import SyncApp
from services.gateway.jobs.outputs.answers import AnswerMaker
from services.gateway.jobs.outputs.synchronous import OutputResponder
from services.gateway.jobs.places import Places
from services.gateway.jobs.routes import JobRoutes
from services.gateway.jobs.submitter import Submitter
from services.gateway.jobs.waiting import JobWaiter
from services.gateway.jobs.waiting_room import WaitingRoom
from services.gateway.languages.languagetool.routes import LanguageToolRoutes
from services.gateway.languages.libretranslate.routes import LibreTranslateRoutes
from services.gateway.limits.headers import RateLimitHeaders
from services.gateway.limits.pacing import Pacing
from services.gateway.limits.requests import TenantRequests
from services.gateway.models.routes import ModelRoutes
from services.gateway.models.selection import ModelSelector
from services.gateway.monitoring.health import HealthRoutes
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import Monitor
from services.gateway.offload.client import Offload
from services.gateway.openai.chat import ChatRoutes
from services.gateway.openai.completions import CompletionRoutes
from services.gateway.openai.embeddings import EmbeddingRoutes
from services.gateway.openai.generation import GenerationResponder
from services.gateway.processes.counters import Counted, Counters
from services.gateway.settings import GatewaySettings
from services.gateway.streaming.follower import Follower
from services.gateway.streaming.limit import StreamLimit
from services.gateway.streaming.routes import EventRoutes
from services.gateway.streaming.submitter import StreamSubmitter
from services.gateway.tasks.routes import TaskRoutes
from services.gateway.usage.routes import UsageRoutes
from services.gateway.version import VERSION

KEYLESS_PART = 8
"""Clients whose key is not known yet have one part of the room for bodies in so many."""


def create_app(settings: GatewaySettings, backend: Backend, counters: Counters | None = None) -> Flask:
    """Return the gateway's Flask app over a backend; starts nothing.

    ``counters`` are those of all processes of the gateway; without them this one is alone.
    """
    app = SyncApp("services.gateway", static_folder=None, template_folder="api_docs/templates")
    # Otherwise werkzeug redirects a path with two slashes in a row; like any path that is no route it is a 404 here.
    app.url_map.merge_slashes = False
    requests = TenantRequests(max(1, settings.max_connections // settings.processes // 2))
    auth = make_authenticator(settings, backend, requests)
    counters = counters or Counters()
    _watch_load(backend.metrics, counters)
    operations = make_operations(settings, backend, auth, counters)
    for operation in operations:
        app.add_url_rule(
            operation.rule,
            operation.name,
            _guarded(operation, auth, backend.monitor) if operation.needs_key else operation.view,
            methods=[operation.method],
            # Flask would answer OPTIONS on its own. Here every method that is not in the table is a 405.
            provide_automatic_options=False,
        )
    formats = {one.name: one.error_format.respond for one in operations if one.error_format}
    error_responses.register(app, formats)
    submitting = frozenset(one.name for one in operations if one.submits)
    RateLimitHeaders(backend.limits, backend.meters, backend.monitor, submitting).register(app)
    _measure(app, backend.metrics)
    app.after_request(release_at_end)
    any_host = [one.name for one in operations if one.any_host]
    refuse_unknown_hosts(app, AllowedHosts(settings.allowed_hosts, settings.host), auth.is_open, any_host)
    return app


def make_authenticator(settings: GatewaySettings, backend: Backend, requests: TenantRequests) -> Authenticator:
    """Return what finds the tenant of a request."""
    return Authenticator(settings, backend.keys, has_keys=lambda: backend.monitor.has_keys, enter=requests.enter)


@dataclass(frozen=True)
class _Shared:
    """What several routes work with."""

    bodies: BodyReader
    models: ModelSelector
    places: Places
    waiter: JobWaiter
    submitter: Submitter
    limit: StreamLimit
    follower: Follower


def make_operations(
    settings: GatewaySettings, backend: Backend, auth: Authenticator, counters: Counters
) -> list[Operation]:
    """Return the table of all routes, in the order of the API document."""
    shared = _make_shared(settings, backend, auth, counters)
    bodies, models, submitter, deliveries = shared.bodies, shared.models, shared.submitter, backend.deliveries
    streams = StreamSubmitter(
        reader=backend.reader, submitter=submitter, follower=shared.follower, limit=shared.limit,
        deliveries=deliveries, max_wait_s=settings.max_wait_s,
    )  # fmt: skip
    outputs = OutputResponder(submitter, AnswerMaker(backend.offload), deliveries)
    generation = GenerationResponder(settings, outputs, streams)
    jobs = JobRoutes(
        settings, reader=backend.reader, writer=backend.writer, bodies=bodies, submitter=submitter,
        waiter=shared.waiter, places=shared.places, deliveries=deliveries,
    )  # fmt: skip
    # The document describes its own route too, so it can be made only when the table is complete.
    docs = DocsRoutes(lambda: openapi.document(operations, VERSION))
    operations = [
        *TaskRoutes(settings, bodies, submitter, streams, deliveries).operations(),
        *EmbeddingRoutes(settings, bodies, outputs).operations(),
        *ChatRoutes(bodies, generation).operations(),
        *CompletionRoutes(bodies, generation).operations(),
        *LibreTranslateRoutes(settings, auth=auth, bodies=bodies, outputs=outputs, models=models).operations(),
        *LanguageToolRoutes(settings, auth=auth, bodies=bodies, outputs=outputs, models=models).operations(),
        *jobs.operations(),
        *EventRoutes(backend.reader, shared.places, shared.follower, shared.limit, deliveries).operations(),
        *ModelRoutes(backend.monitor, models, backend.registry).operations(),
        *UsageRoutes(backend.usage, backend.keys, backend.monitor).operations(),
        *HealthRoutes(backend.monitor, backend.metrics, lambda: backend.wake_ups.stopping).operations(),
        *docs.operations(),
    ]
    return operations


def _make_shared(settings: GatewaySettings, backend: Backend, auth: Authenticator, counters: Counters) -> _Shared:
    reader, monitor, wake_ups = backend.reader, backend.monitor, backend.wake_ups
    models = ModelSelector(monitor, settings.default_models)
    places = Places(reader, monitor)
    waiter = JobWaiter(reader, monitor, wake_ups, WaitingRoom(settings.max_connections, counters))
    return _Shared(
        bodies=_make_body_reader(settings, backend.offload, counters),
        models=models,
        places=places,
        waiter=waiter,
        submitter=Submitter(
            settings, writer=backend.writer, submits=backend.submits, pacing=Pacing(counters), monitor=monitor,
            models=models, waiter=waiter, places=places, limits=backend.limits, metrics=backend.metrics,
        ),
        limit=StreamLimit(settings.max_streams, settings.max_tenant_streams, counters, auth.is_open),
        follower=Follower(reader, monitor, wake_ups),
    )  # fmt: skip


def _watch_load(metrics: Metrics, counters: Counters) -> None:
    metrics.watch("triptych_streams_open", "Streams of events that are open.", lambda: counters.total(Counted.STREAMS))
    metrics.watch(
        "triptych_body_bytes",
        "Bytes of bodies that are on their way into the store, or whose requests wait for their jobs.",
        lambda: sum(map(counters.total, (Counted.BODY_BYTES, Counted.KEYLESS_BODY_BYTES, Counted.WAITING_BODY_BYTES))),
    )
    metrics.watch(
        "triptych_gateway_loop_lag_seconds",
        "Longest turn of an event loop in the last 15 to 30 seconds; every client of its process waited so long.",
        lambda: counters.largest(Counted.LOOP_LAG_US) / 1e6,
    )


def _make_body_reader(settings: GatewaySettings, offload: Offload, counters: Counters) -> BodyReader:
    # At least twice the longest body, so that one of them always fits into what large bodies may fill.
    budget = max(settings.max_bodies_bytes, 2 * settings.max_body_bytes)
    keyless = budget // KEYLESS_PART
    # Of the connections of this process, so that others remain.
    half, quarter = (max(1, settings.max_connections // settings.processes // part) for part in (2, 4))
    return BodyReader(
        max_bytes=settings.max_body_bytes,
        timeout_s=settings.body_timeout_s,
        budget=BodyBudget(
            budget - keyless, counters, Counted.BODY_BYTES, max_unfinished=half, longest=settings.max_body_bytes
        ),
        keyless_budget=BodyBudget(
            keyless, counters, Counted.KEYLESS_BODY_BYTES, max_unfinished=quarter, longest=SMALL_BYTES
        ),
        offload=offload,
    )


def describe(settings: GatewaySettings, store_settings: StoreSettings) -> dict[str, Any]:
    """Return the OpenAPI document without serving; connects to nothing."""
    backend = make_backend(settings, store_settings)
    auth = make_authenticator(settings, backend, TenantRequests(1))
    operations = make_operations(settings, backend, auth, Counters())
    return openapi.document(operations, VERSION)


def _guarded(operation: Operation, auth: Authenticator, monitor: Monitor) -> Callable[..., Response]:
    """Return a view that passes on only requests of a known tenant, and none while the store is out of reach."""
    holds, may_wait = operation.holds, operation.may_wait

    def guarded(**path: Any) -> Response:
        # Before the key is looked up, which reads the store and would wait for its timeout.
        monitor.check_store()
        if operation.key_in_body:
            return operation.view(**path)
        holds_now = holds or (may_wait and "wait" in request.args)
        return operation.view(auth.tenant(request, holds=holds_now), **path)

    return guarded


def _measure(app: Flask, metrics: Metrics) -> None:
    def start() -> None:
        current_facts()  # made here: a request is timed from its beginning

    def finish(response: Response) -> Response:
        facts, rule = current_facts(), request.url_rule
        response.headers.add(REQUEST_ID_HEADER, facts.id)
        # The path itself is no label: clients can invent paths, and each label value costs memory for ever.
        facts.route = rule.rule if rule else None
        facts.job_id = facts.job_id or _job_id_in_path()
        metrics.answered(facts.route or "none", response.status_code, facts.started_at)
        if facts.error_code is not None and request.method == "POST":
            metrics.refused(facts.error_code, response.status_code)
        return response

    app.before_request(start)
    app.after_request(finish)


def _job_id_in_path() -> str | None:
    job_id = (request.view_args or {}).get("job_id", "")
    return job_id if JOB_ID.fullmatch(job_id) else None
