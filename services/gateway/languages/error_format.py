"""The error formats of LibreTranslate and LanguageTool. Both APIs are older than 422; LanguageTool sends plain text."""

import msgspec
from flask import Response

from contracts.errors import TriptychError, Unauthorized
from services.gateway.http.error_responses import with_error_headers
from services.gateway.http.errors import KeyNotInHeader
from services.gateway.http.operations import ErrorFormat

_STATUSES = {401: 403, 404: 400, 422: 400}
"""Statuses that these APIs send in place of ours."""
_DOCUMENTED = (400, 403, 408, 409, 413, 415, 429, 500, 503, 504)


class PlainError(msgspec.Struct, frozen=True):
    """What went wrong, in a sentence."""

    error: str


def _status(error: TriptychError) -> int:
    return _STATUSES.get(error.http_status, error.http_status)


def _sentence(error: TriptychError, key_field: str) -> str:
    if isinstance(error, Unauthorized) and not isinstance(error, KeyNotInHeader):
        return f"A valid API key is required: send it as {key_field}, or as 'Authorization: Bearer <key>'."
    names_it = not error.param or error.message.startswith(f"{error.param} ")
    return error.message if names_it else f"{error.param}: {error.message}"


def _libretranslate(error: TriptychError) -> Response:
    document = msgspec.json.encode(PlainError(_sentence(error, "api_key")))
    return with_error_headers(Response(document, _status(error), mimetype="application/json"), error)


def _languagetool(error: TriptychError) -> Response:
    text = f"Error: {_sentence(error, 'apiKey')}"
    return with_error_headers(Response(text, _status(error), mimetype="text/plain"), error)


LIBRETRANSLATE = ErrorFormat(_libretranslate, PlainError, _DOCUMENTED)
LANGUAGETOOL = ErrorFormat(_languagetool, str, _DOCUMENTED, "text/plain")
