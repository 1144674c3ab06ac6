"""The composition root: puts parts and routes together into the Flask app, and the only place that knows them all."""

import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request

from contracts.settings import StoreSettings
from services.gateway.api_docs import openapi
from services.gateway.api_docs.page import DocsRoutes
from services.gateway.auth.authentication import Auth
from services.gateway.backend import Parts, make_parts
from services.gateway.http import error_responses
from services.gateway.http.body import BodyReader
from services.gateway.http.operations import Operation
from services.gateway.jobs.event_routes import EventRoutes
from services.gateway.jobs.routes import JobRoutes
from services.gateway.jobs.submit import Submitter
from services.gateway.jobs.waiting import JobWaiter
from services.gateway.languages.languagetool.routes import LanguageToolRoutes
from services.gateway.languages.libretranslate.routes import LibreTranslateRoutes
from services.gateway.languages.model_choice import ModelChoice
from services.gateway.models import ModelRoutes
from services.gateway.monitoring.health import HealthRoutes
from services.gateway.monitoring.metrics import Metrics
from services.gateway.monitoring.monitor import Monitor
from services.gateway.openai.chat import ChatRoutes
from services.gateway.openai.completions import CompletionRoutes
from services.gateway.openai.embeddings import OpenAIRoutes
from services.gateway.openai.generation import Writer
from services.gateway.settings import GatewaySettings
from services.gateway.streaming.follower import Follower
from services.gateway.streaming.stream_limit import StreamLimit
from services.gateway.streaming.stream_response import Teller
from services.gateway.tasks.routes import Stream, TaskRoutes
from services.gateway.tasks.text_stream import LAST_ITEMS, Seq2SeqStream
from services.gateway.tasks.tgi_stream import GenerateStream
from services.gateway.version import VERSION


def create_app(settings: GatewaySettings, parts: Parts) -> Flask:
    """Return the gateway's Flask app over the given parts; starts nothing."""
    app = Flask("services.gateway", static_folder=None, template_folder="api_docs/templates")
    app.url_map.merge_slashes = False
    metrics = Metrics(parts.queues, parts.registry, parts.monitor)
    auth = Auth(settings, parts.keys, parts.monitor)
    operations = make_operations(settings, parts, auth, metrics)
    for operation in operations:
        app.add_url_rule(
            operation.rule,
            operation.name,
            _guarded(operation, auth, parts.monitor) if operation.needs_key else operation.view,
            methods=[operation.method],
            provide_automatic_options=False,
        )
    error_responses.register(app, {one.name: one.refusals.respond for one in operations if one.refusals})
    _measure(app, metrics)
    return app


def make_operations(settings: GatewaySettings, parts: Parts, auth: Auth, metrics: Metrics) -> list[Operation]:
    """Return the table of all routes, in the order in which they are described."""
    bodies = BodyReader(max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    waiter = JobWaiter(parts.reader, parts.monitor, parts.wake_ups)
    submitter = Submitter(
        settings,
        writer=parts.writer,
        monitor=parts.monitor,
        wake_ups=parts.wake_ups,
        waiter=waiter,
        metrics=metrics,
    )
    jobs = JobRoutes(
        settings,
        reader=parts.reader,
        writer=parts.writer,
        bodies=bodies,
        submitter=submitter,
        wake_ups=parts.wake_ups,
        waiter=waiter,
    )
    limit = StreamLimit(settings.max_streams)
    metrics.watch_streams(lambda: limit.num_open)
    follower = Follower(parts.reader, parts.monitor, parts.wake_ups)
    teller = Teller(
        reader=parts.reader,
        writer=parts.writer,
        submitter=submitter,
        follower=follower,
        limit=limit,
        max_wait_s=settings.max_wait_s,
    )
    writer = Writer(settings, submitter, teller)
    translators, correctors = (
        ModelChoice(parts.monitor, task, settings.default_models.get(task)) for task in ("translate", "denoise")
    )
    shared: dict[str, Any] = {"auth": auth, "bodies": bodies, "submitter": submitter}
    docs = DocsRoutes(lambda: openapi.document(operations, VERSION))
    operations = [
        *TaskRoutes(settings, bodies, submitter, _streams(teller)).operations(),
        *OpenAIRoutes(settings, bodies, submitter).operations(),
        *ChatRoutes(bodies, writer).operations(),
        *CompletionRoutes(bodies, writer).operations(),
        *LibreTranslateRoutes(settings, **shared, choice=translators).operations(),
        *LanguageToolRoutes(settings, **shared, choice=correctors).operations(),
        *jobs.operations(),
        *EventRoutes(parts.reader, follower, limit).operations(),
        *ModelRoutes(parts.monitor, parts.registry).operations(),
        *HealthRoutes(parts.monitor, parts.wake_ups, metrics).operations(),
        *docs.operations(),
    ]
    return operations


def _streams(teller: Teller) -> dict[str, Stream]:
    """Return what answers the requests of each task that want their answer told while it is written."""
    return {**dict.fromkeys(LAST_ITEMS, Seq2SeqStream(teller).answer), "generate": GenerateStream(teller).answer}


def describe(settings: GatewaySettings, store_settings: StoreSettings) -> dict[str, Any]:
    """Return the OpenAPI document without serving; connects to nothing."""
    parts = make_parts(store_settings)
    metrics = Metrics(parts.queues, parts.registry, parts.monitor)
    auth = Auth(settings, parts.keys, parts.monitor)
    return openapi.document(make_operations(settings, parts, auth, metrics), VERSION)


def _guarded(operation: Operation, auth: Auth, monitor: Monitor) -> Callable[..., Response]:
    """Let a view have only requests of a known tenant, and none while the store is out of reach."""

    def guarded(**path: Any) -> Response:
        monitor.check_store()
        return operation.view(**path) if operation.key_in_body else operation.view(auth.tenant(request), **path)

    return guarded


def _measure(app: Flask, metrics: Metrics) -> None:
    def started() -> None:
        g.started_at = time.perf_counter()

    def answered(response: Response) -> Response:
        # A path that is no route must not become a label: anybody can make up paths.
        route = request.url_rule.rule if request.url_rule else "none"
        metrics.answered(route, response.status_code, g.started_at)
        return response

    app.before_request(started)
    app.after_request(answered)
