"""Errors as responses in OpenAI's format: ``{"error": {message, type, param, code}}``, whatever went wrong.

Routes of other APIs have formats of their own, see ``operations.ErrorFormat``.
"""

import logging
import math
from collections.abc import Callable, Mapping

import msgspec
import redis
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed

from contracts.errors import (
    IdempotencyQuotaExceeded,
    InvalidRequest,
    QueueFull,
    QuotaExceeded,
    TriptychError,
    Unavailable,
)
from contracts.store.problems import TIMEOUT, UNKNOWN, UNREACHABLE, problem_of
from services.gateway.http.errors import MethodNotAllowed, RouteNotFound, TooManyTenantStreams
from services.gateway.http.request_facts import current_facts
from services.gateway.http.responses import no_store

logger = logging.getLogger(__name__)
RETRY_AFTER_S = {
    Unavailable.code: 1,
    QueueFull.code: 5,
    QuotaExceeded.code: 5,
    TooManyTenantStreams.code: 5,
    IdempotencyQuotaExceeded.code: 60,
}
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_MAY_BE_ACCEPTED = (
    "It may or may not have accepted this. Try again shortly, with an Idempotency-Key if it must not be done twice."
)
_UNEXPECTED = "The request failed for a reason on our side. It is logged."


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorDocument(msgspec.Struct, frozen=True):
    """An error. `param` names the field at fault, `code` is for programs and fixed, `message` is for people."""

    error: ErrorBody


def error_document(error: TriptychError, status: int | None = None) -> ErrorDocument:
    """Return an error as clients see it. ``status`` replaces that of the error's class."""
    status = status or error.http_status
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return ErrorDocument(ErrorBody(error.message, kind, error.param, error.code))


def error_response(error: TriptychError, status: int | None = None) -> Response:
    """Return an error as a response with ``status``, or else with that of its class."""
    document = msgspec.json.encode(error_document(error, status))
    return with_error_headers(Response(document, status or error.http_status, mimetype="application/json"), error)


def with_error_headers(response: Response, error: TriptychError) -> Response:
    """Add the headers that go with an error to a response, by the response's status."""
    status = no_store(response).status_code
    if status in {429, 503}:
        seconds = RETRY_AFTER_S.get(error.code, 2) if error.retry_after_s is None else math.ceil(error.retry_after_s)
        response.headers["Retry-After"] = str(max(1, seconds))
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if not error.retryable and (status == 409 or status >= 500):
        # OpenAI's clients retry these statuses on their own unless this header forbids it.
        response.headers["X-Should-Retry"] = "false"
    return response


def store_error(error: redis.RedisError) -> Unavailable:
    """Return the error that a client gets when a call to the store has failed."""
    problem = problem_of(error)
    # The store may have run the script whose reply did not arrive. A repeated GET can't do anything twice.
    if problem in {TIMEOUT, UNREACHABLE} and request.method != "GET":
        return Unavailable(f"{problem.sentence} {_MAY_BE_ACCEPTED}")
    if problem == UNKNOWN:
        # A bug here, or a server that is configured wrongly. The monitor logs all other problems.
        logger.error("the store refused a command", exc_info=error)
    return problem.unavailable()


def register(app: Flask, formats: Mapping[str, Callable[[TriptychError], Response]]) -> None:
    """Turn every exception of ``app`` into a response, by the format of its operation's name or else as OpenAI does."""

    def respond(error: TriptychError) -> Response:
        current_facts().error_code = error.code
        return formats.get(request.endpoint or "", error_response)(error)

    def respond_to_store(error: redis.RedisError) -> Response:
        current_facts().store_failed = True
        return respond(store_error(error))

    app.register_error_handler(TriptychError, respond)
    app.register_error_handler(redis.RedisError, respond_to_store)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, lambda error: respond(_on_unexpected_error(error)))


def _on_http_error(error: HTTPException) -> Response:
    # Flask raises these before it knows the operation, so they are in OpenAI's format on every path.
    meaning = _meaning(error)
    current_facts().error_code = meaning.code
    response = error_response(meaning, error.code)
    if isinstance(error, WerkzeugMethodNotAllowed):
        response.headers["Allow"] = _methods(error)
    return response


def _meaning(error: HTTPException) -> TriptychError:
    if isinstance(error, WerkzeugMethodNotAllowed):
        return MethodNotAllowed(f"This path has no method {request.method}; it has {_methods(error)}.")
    if error.code == 404:
        return RouteNotFound("Nothing is at this path. The routes are described at /docs.")
    return InvalidRequest(error.description) if (error.code or 500) < 500 else TriptychError(_UNEXPECTED)


def _methods(error: WerkzeugMethodNotAllowed) -> str:
    return ", ".join(sorted(set(error.valid_methods or ()) - {"OPTIONS"}))


def _on_unexpected_error(error: Exception) -> TriptychError:
    logger.error(
        "request failed", exc_info=error, extra={"request_id": current_facts().id, "endpoint": request.endpoint}
    )
    return TriptychError(_UNEXPECTED)
