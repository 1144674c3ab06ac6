"""The routes that describe the API: the OpenAPI document, and a page for people that is rendered from it.

The page loads nothing from other servers, so it works without access to the internet.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response, render_template
from markupsafe import Markup, escape

from services.gateway.http.operations import Operation, ResponseSpec

_CODE = re.compile(r"`([^`]*)`")
# The page has no scripts and loads nothing. Its styles are in the page itself.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class DocsRoutes:
    """Views of the API's description. ``make_document`` is called once, when the document is first requested."""

    def __init__(self, make_document: Callable[[], dict[str, Any]]) -> None:
        self._make_document = make_document
        self._document: dict[str, Any] | None = None
        self._page: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self._document is None:
            self._document = self._make_document()
        return self._document

    def openapi(self) -> Response:
        """Respond with the OpenAPI document."""
        return Response(msgspec.json.encode(self.document()), mimetype="application/json")

    def docs(self) -> Response:
        """Respond with the page."""
        if self._page is None:
            self._page = _render(self.document())
        return Response(self._page, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})

    def operations(self) -> list[Operation]:
        """Return the table entries of these routes."""
        return [
            Operation(
                "GET", "/openapi.json", self.openapi, "Service", "This API as an OpenAPI 3.1 document",
                {200: ResponseSpec("The document.", dict[str, Any])}, needs_key=False,
            ),
            Operation(
                "GET", "/docs", self.docs, "Service", "This API as a page for people",
                {200: ResponseSpec("The page.", str, "text/html")}, needs_key=False,
            ),
        ]  # fmt: skip


def _render(document: dict[str, Any]) -> str:
    sections = []
    for tag in document["tags"]:
        entries = [
            {"method": method.upper(), "path": path, "body": _body(document, operation), **operation}
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        sections.append({**tag, "entries": entries})
    return render_template("docs.html", document=document, sections=sections, type_of=type_of, code=_with_code)


def _body(document: dict[str, Any], operation: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the fields of each type that an operation's body may have, with the type's name."""
    contents = operation.get("requestBody", {}).get("content", {})
    if not contents:
        return []
    content = next(iter(contents.values()))  # all media types of a body have the same schema
    types = content["schema"].get("anyOf", [content["schema"]])
    components = document["components"]["schemas"]
    names = [one["$ref"].rsplit("/", 1)[-1] for one in types]
    return [(name, _fields(components, components[name])) for name in names]


def _fields(components: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    """Return the fields of an object, and those of objects in it by their path."""
    found = []
    for name, field in schema.get("properties", {}).items():
        inner = components.get(field.get("$ref", "").rsplit("/", 1)[-1], {})
        required = name in schema.get("required", ())
        text = field.get("description") or inner.get("description", "")
        found.append({"name": prefix + name, "type": type_of(field), "required": required, "text": text})
        found += _fields(components, inner, f"{prefix}{name}.") if inner else []
    return found


def type_of(schema: dict[str, Any]) -> str:
    """Return a schema's type in a few words."""
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f'"{value}"' if value is not None else "null" for value in schema["enum"])
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if schema.get("type") == "array":
        return f"list of ({type_of(schema['items'])})" if schema.get("items") else "list"
    return str(schema.get("type", "anything"))


def _with_code(text: str) -> Markup:
    """Return a text as HTML with code in place of backticks."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped one call before
