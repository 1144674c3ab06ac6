"""Form bodies (application/x-www-form-urlencoded), for routes whose clients send such; JSON is in `body.py`."""

import binascii
import re

from flask import Request

from contracts.errors import MalformedBody
from contracts.shapes import MAX_INPUTS
from services.gateway.http.errors import ForeignPage

MEDIA_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = MAX_INPUTS + 64
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_form(raw: bytes) -> dict[str, str | list[str]]:
    """Return the fields of a form; of a field that comes several times, all values in a list.

    Raises:
        MalformedBody: it is no form, has too many fields, or text that can't be passed on.
    """
    pairs = raw.split(b"&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise MalformedBody(f"The form has more than {_MAX_FIELDS} fields.")
    found: dict[str, list[str]] = {}
    for pair in filter(None, pairs):
        name, _, value = pair.partition(b"=")
        found.setdefault(_text(name), []).append(_text(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def refuse_foreign_pages(request: Request) -> None:
    """Refuse a form from a page of another site: browsers send such without asking, to a gateway on localhost too.

    Raises:
        ForeignPage: it is one.
    """
    origin = request.headers.get("Origin", "")
    own = {f"{scheme}://{request.host}" for scheme in ("http", "https")}
    if origin == "null" or (origin.startswith(("http://", "https://")) and origin not in own):
        raise ForeignPage("Pages of other sites can't send forms here: send JSON, or ask from a program.")


def _text(raw: bytes) -> str:
    if _BAD_ESCAPE.search(raw):
        raise MalformedBody("The form has a % without two hexadecimal digits: a percent sign itself is %25.")
    # Quoted-printable is the same with another sign, and read at the speed of C, however many escapes there are.
    plain = raw.replace(b"+", b" ").replace(b"=", b"%3D").replace(b"%", b"=")
    try:
        text = binascii.a2b_qp(plain).decode()
    except UnicodeDecodeError as error:
        raise MalformedBody("The form is not UTF-8.") from error
    if "\x00" in text:
        raise MalformedBody("The form has a NUL character.")
    return text
