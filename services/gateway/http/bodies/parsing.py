"""Parses a body by its Content-Type; the part of checking that the gateway's child process does as well.

The gateway's own part is in ``checking.py``.
"""

from importlib import import_module
from typing import Any

import msgspec

from services.gateway.http.bodies.form_fields import parse_form
from services.gateway.http.bodies.strict_json import parse


class ParseTask(msgspec.Struct, frozen=True):
    """What the child gets: a body, and the function that checks it with its further arguments."""

    module: str
    function: str
    arguments: tuple[str, ...]
    is_form: bool
    raw: bytes


def parse_body(raw: bytes, *, is_form: bool) -> Any:
    """Return a body as what its Content-Type says it is. Raises MalformedBody and PayloadTooLarge."""
    return parse_form(raw) if is_form else parse(raw)


def check_in_child(encoded: bytes) -> bytes:
    """Parse and check one body, and return the checked value in MessagePack. Raises as its function does."""
    task = msgspec.msgpack.decode(encoded, type=ParseTask)
    function = getattr(import_module(task.module), task.function)
    return msgspec.msgpack.encode(function(parse_body(task.raw, is_form=task.is_form), *task.arguments))
