"""Makes the OpenAPI 3.1 document from the table of operations and the types that validate requests."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.gateway.http.error_responses import ErrorDocument
from services.gateway.http.operations import Operation, Parameter, ResponseSpec
from services.gateway.http.request_facts import REQUEST_ID_HEADER
from services.gateway.limits.headers import RATE_HEADERS

_REF = "#/components/schemas/{name}"
_ERRORS = {
    400: "The request can't be read.",
    401: "A valid API key is needed.",
    403: "A page of another site has sent this, or the API key may not see it; or, where 401 is no status of the API, "
    "a valid API key is needed.",
    404: "Not found.",
    408: "The body took too long to arrive.",
    410: "The job was purged.",
    413: "The body is too long, or has too many values; the message says the limit.",
    409: "The job was cancelled while you waited for it.",
    415: "The body is of a type that is not accepted here.",
    421: "The gateway needs no keys, and `Host` is none of its names, which `TRIPTYCH_ALLOWED_HOSTS` sets.",
    422: "A field is wrong; `param` names it.",
    429: "You have reached a limit of yours for now; the message names it, and `Retry-After` says when to try again. "
    "It is one of unfinished jobs, bytes of requests and results, requests or work-seconds a minute, open streams, new "
    "Idempotency-Keys in 24 hours, or room for large requests.",
    500: "The job failed, or its output is too large for the format of this route.",
    504: "The job is not done in time.",
    503: "The gateway or the job store can't serve this now; the message says why, and whether anything was accepted.",
}
_TAGS = {
    "Tasks": "Send inputs and get the output. Each request makes a job too.",
    "OpenAI": "For clients made for OpenAI's API.",
    "LibreTranslate": "For clients made for LibreTranslate.",
    "LanguageTool": "For clients made for LanguageTool, such as those in editors.",
    "Jobs": "Submit now, read later.",
    "Models": "The models, and the workers that serve them.",
    "Usage": "What jobs have taken.",
    "Service": "For those who run the gateway.",
}
_REQUEST_ID = (
    "The request's id in the logs. That of the request if it has this header, with 1 to 128 letters, digits or "
    "`._:/+=@-`; else a random one."
)
_INTRO = (
    "Jobs for transformer models. A job is accepted when its 202 (or its output) is sent, and then reaches exactly one "
    "end: `succeeded`, `failed`, `cancelled` or `expired`. Three clocks: `deadline_s` from submit to done, `timeout_s` "
    "for one execution, `ttl_s` for keeping the result: until then, its id answers 200, and afterwards 410. If you set "
    "no `ttl_s`, the result is kept for an hour, or for 5 minutes once you have received it, by default."
)


def document(operations: list[Operation], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of these operations."""
    kinds = [kind for operation in operations for kind in _kinds(operation)]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Triptych", "version": version, "description": _INTRO},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in ({REQUEST_ID_HEADER: _REQUEST_ID} | RATE_HEADERS).items()
            },
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, `tt_…`."}},
        },
    }


def _several(kind: Any) -> tuple[Any, ...]:
    return kind if isinstance(kind, tuple) else () if kind is None else (kind,)


def _kinds(operation: Operation) -> Iterable[Any]:
    yield from _several(operation.body)
    yield ErrorDocument
    if operation.error_format:
        yield operation.error_format.kind
    for parameter in operation.parameters:
        yield parameter.kind
    for response in operation.responses.values():
        yield from _several(response.kind)
        yield from _several(response.stream)


def _operation(operation: Operation, by_kind: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{"key": []}] if operation.needs_key else [],
        "parameters": [_parameter(parameter, by_kind) for parameter in operation.parameters],
        "responses": _responses(operation, by_kind),
        "x-codeSamples": [{"lang": "Shell", "label": "curl", "source": curl(operation)}],
    }
    if operation.description:
        found["description"] = operation.description
    if operation.body is not None:
        content: dict[str, Any] = {"schema": _schema(operation.body, by_kind)}
        if operation.example is not None:
            content["example"] = operation.example
        found["requestBody"] = {"required": True, "content": dict.fromkeys(operation.body_types, content)}
    return found


def _schema(kind: Any, by_kind: Mapping[Any, Any]) -> Any:
    schemas = [by_kind[one] for one in _several(kind)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _parameter(parameter: Parameter, by_kind: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.description,
        "schema": by_kind[parameter.kind],
    }


def _responses(operation: Operation, by_kind: Mapping[Any, Any]) -> dict[str, Any]:
    shared = [REQUEST_ID_HEADER, *(RATE_HEADERS if operation.submits else ())]
    responses = {str(status): _response(response, by_kind, shared) for status, response in operation.responses.items()}
    errors = operation.error_format
    kind, media_type = (errors.kind, errors.media_type) if errors else (ErrorDocument, "application/json")
    for status in sorted(_error_statuses(operation)):
        headers = {"Retry-After": "Seconds."} if status in {429, 503} else {}
        spec = ResponseSpec(_ERRORS[status], kind, media_type, headers)
        responses.setdefault(str(status), _response(spec, by_kind, shared))
    return responses


def _error_statuses(operation: Operation) -> set[int]:
    everywhere = set() if operation.any_host else {421}
    if operation.error_format:
        return everywhere | set(operation.error_format.statuses)
    statuses = everywhere | set(operation.errors)
    # The check of the key is preceded by one of the store, also on routes that use nothing else of it.
    if operation.needs_key:
        statuses |= {401, 503} | ({429} if operation.holds or operation.may_wait else set())
    if operation.body is not None:
        statuses |= {400, 408, 413, 415, 422}
    if "{job_id}" in operation.path:
        statuses |= {404, 410}
    return statuses


def _response(response: ResponseSpec, by_kind: Mapping[Any, Any], shared_headers: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": response.description}
    if response.kind is not None:
        found["content"] = {response.media_type: {"schema": _schema(response.kind, by_kind)}}
    if response.stream is not None:
        # OpenAPI 3.1 can't describe the items of a stream. This is the schema of the JSON in the data of each item.
        found["content"]["text/event-stream"] = {"schema": _schema(response.stream, by_kind)}
    for media_type in response.text_types:
        found["content"][media_type] = {"schema": {"type": "string"}}
    headers = {name: {"description": text, "schema": {"type": "string"}} for name, text in response.headers.items()}
    found["headers"] = headers | {name: {"$ref": f"#/components/headers/{name}"} for name in shared_headers}
    return found


def curl(operation: Operation) -> str:
    """Return a command that calls an operation of a gateway on this machine."""
    # Without -N curl buffers a stream, and prints it in blocks.
    words = ["curl", "-N"] if operation.example and operation.example.get("stream") else ["curl"]
    if operation.method != "GET":
        words += ["-X", operation.method]
    path = operation.path.replace("{job_id}", "$JOB").replace("{model}", "$MODEL")
    words.append(f'"http://127.0.0.1:8080{path}"' if "$" in path else f"http://127.0.0.1:8080{path}")
    lines = [" ".join(words)]
    if operation.needs_key:
        lines.append('-H "Authorization: Bearer $TRIPTYCH_KEY"')
    if operation.example is not None and operation.body_types[0] == "application/json":
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(operation.example)}'"]
    elif operation.example is not None:
        lines += [f"--data-urlencode '{name}={value}'" for name, value in operation.example.items()]
    return " \\\n  ".join(lines)
