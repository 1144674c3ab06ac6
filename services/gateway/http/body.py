"""Reads a request's body and parses it as strict JSON. Step 1 on the path of a job.

The standard library's parser accepts NaN, duplicate keys, NUL and lone surrogates. Other parsers refuse these or read
them differently, so they are refused here, and no other part of the system has to handle them. Forms are parsed in
`form.py`.
"""

import json
import re
from typing import Any

import gevent
from flask import Request
from gunicorn.http.errors import ParseException

from contracts.errors import MalformedBody, PayloadTooLarge
from services.gateway.http import form
from services.gateway.http.errors import BodyTimeout, UnsupportedMediaType
from services.gateway.http.foreign_pages import refuse_cross_site

JSON = "application/json"
_CHUNK_BYTES = 64 * 1024
_NUL_OR_SURROGATE = re.compile("[\x00\ud800-\udfff]")


class BodyReader:
    """Reads and parses request bodies within a limit of size and a limit of time."""

    def __init__(self, *, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    def read_json(self, request: Request) -> Any:
        """Return the parsed body.

        Raises:
            UnsupportedMediaType, PayloadTooLarge, BodyTimeout, MalformedBody: the body can't be read.
        """
        return parse(self._bytes(request, JSON))

    def read_form(self, request: Request) -> dict[str, str | list[str]]:
        """Return the fields of a form. Raises as ``read_json``, and CrossSiteForm."""
        refuse_cross_site(request)
        return form.parse_form(self._bytes(request, form.MEDIA_TYPE))

    def read_json_or_form(self, request: Request) -> Any:
        """Return a body that may be JSON or a form, by its Content-Type. Raises as ``read_form``."""
        if request.mimetype == form.MEDIA_TYPE:
            return self.read_form(request)
        return parse(self._bytes(request, JSON, form.MEDIA_TYPE))

    def _bytes(self, request: Request, *media_types: str) -> bytes:
        _check_headers(request, media_types)
        length = request.content_length
        # Checked before the body is read: a body that is refused anyway costs no memory and no time.
        if length is not None and length > self._max_bytes:
            raise self._too_large()
        return self._read(request, length)

    def _read(self, request: Request, length: int | None) -> bytes:
        # gunicorn's own stream. werkzeug's wrapper would enforce a limit again that is checked here.
        stream = request.environ["wsgi.input"]
        try:
            # One timeout for the whole body. With one for each read, a byte a second would keep the request open.
            with gevent.Timeout(self._timeout_s, BodyTimeout(f"The body took longer than {self._timeout_s:g} s.")):
                raw = bytes(stream.read(length)) if length is not None else self._read_chunked(stream)
        except (OSError, ParseException) as error:
            raise MalformedBody("The body ended early, or its chunked encoding is broken.") from error
        if length is not None and len(raw) < length:
            raise MalformedBody("The body ended early: it is shorter than its Content-Length.")
        return raw

    def _read_chunked(self, stream: Any) -> bytes:
        chunks, size = [], 0
        # A chunked body does not announce its length, so the limit can only be checked while it arrives.
        while chunk := stream.read(_CHUNK_BYTES):
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
        return b"".join(chunks)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"The body is larger than {self._max_bytes} bytes. Send the inputs in several requests.")


def _check_headers(request: Request, media_types: tuple[str, ...]) -> None:
    # A few kilobytes may decompress to gigabytes: the limit of received bytes would not limit the memory.
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not supported: send the body without Content-Encoding.")
    # A web page can make its visitor's browser send a body without a Content-Type, or with one of three simple types,
    # to a gateway on localhost, and no preflight request asks the gateway first. JSON is not among the three.
    if request.mimetype not in media_types:
        refused = "multipart/form-data is not supported. " if request.mimetype == "multipart/form-data" else ""
        expected = " or ".join(f"'Content-Type: {name}'" for name in media_types)
        raise UnsupportedMediaType(f"{refused}Send the body as {expected}.")


def parse(raw: bytes) -> Any:
    """Return ``raw`` as a JSON document.

    Raises:
        MalformedBody: it is not JSON, it is ambiguous, or it has text that can't be passed on.
    """
    try:
        document = json.loads(
            raw.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_int64
        )
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8: byte {error.start} is not part of a character.") from error
    except json.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise MalformedBody("The body is nested too deeply.") from error
    except ValueError as error:
        raise MalformedBody("The body has a whole number of more than 64 bits.") from error
    # JSON can hold NUL and surrogates as escapes only, so most bodies need no second pass over their texts.
    if b"\\u" in raw:
        _check_text(document)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two fields with one name, some parsers keep the first and others the last.
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise MalformedBody(f"The name {_printable(name)} occurs twice in one object.", param=_printable(name))
    return found


def _int64(digits: str) -> int:
    # Many parsers read larger integers as floats, which changes their value.
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _refuse_constant(name: str) -> None:
    raise MalformedBody(f"{name} is not JSON.")


def _check_text(document: Any) -> None:
    """Refuse NUL and lone surrogates anywhere, naming the path."""
    # A loop, not recursion: a document may be nested more deeply than Python may recurse.
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, str):
            if _NUL_OR_SURROGATE.search(value):
                raise MalformedBody("The text has a NUL character or half of a surrogate pair.", param=path or None)
        elif isinstance(value, list):
            pending += [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            for name, item in value.items():
                inner = f"{path}.{_printable(name)}" if path else _printable(name)
                pending += [(inner, name), (inner, item)]


def _printable(name: str) -> str:
    """Return a name from the body in a form that is safe in an error: short, and without what can't be encoded."""
    return name[:64].encode("ascii", "backslashreplace").decode().replace("\x00", "\\x00")
