"""Parses form bodies (application/x-www-form-urlencoded), which clients of some APIs send instead of JSON."""

import binascii
import re

from contracts.errors import MalformedBody
from contracts.shapes import MAX_INPUTS

MEDIA_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = MAX_INPUTS + 64
"""Room for as many inputs as JSON may have, each a field, and for all other fields."""
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_form(raw: bytes) -> dict[str, str | list[str]]:
    """Return the fields of a form. A field that occurs several times has a list of all its values.

    Raises:
        MalformedBody: it is not a form, it has too many fields, or it has text that can't be passed on.
    """
    # The split has a limit, because a body of separators alone would make millions of pieces.
    pairs = raw.split(b"&", _MAX_FIELDS)
    if len(pairs) > _MAX_FIELDS:
        raise MalformedBody(f"The form has more than {_MAX_FIELDS} fields.")
    found: dict[str, list[str]] = {}
    # The URL standard has parsers skip empty pairs, as in `a=1&&b=2`.
    for pair in filter(None, pairs):
        name, _, value = pair.partition(b"=")
        found.setdefault(_text(name), []).append(_text(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _text(raw: bytes) -> str:
    if _BAD_ESCAPE.search(raw):
        raise MalformedBody("The form has a % without two hexadecimal digits: a percent sign itself is %25.")
    # Quoted-printable has the same escapes after `=` in place of `%`, and binascii decodes it in C. urllib's decoder
    # makes a Python object for each escape, which takes seconds for a body of escapes alone. A literal `=` is escaped
    # first.
    plain = raw.replace(b"+", b" ").replace(b"=", b"%3D").replace(b"%", b"=")
    try:
        text = binascii.a2b_qp(plain).decode()
    except UnicodeDecodeError as error:
        raise MalformedBody("The form is not UTF-8.") from error
    if "\x00" in text:
        raise MalformedBody("The form has a NUL character.")
    return text
