"""Parses bodies as strict JSON. Step 1 on the path of a job.

The standard library's parser accepts NaN, duplicate keys, NUL and lone surrogates. Other parsers refuse these or read
them differently, so they are refused here, and no other part of the system has to handle them.
"""

import json
import re
from typing import Any

from contracts.errors import MalformedBody
from services.gateway.http.bodies.structure import MAX_VALUES, check_structure

_NUL_OR_SURROGATE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL_OR_SURROGATE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_Node = tuple[Any, str, Any]
"""A value with the node of what it is in, and its place there."""


def parse(raw: bytes, *, max_values: int = MAX_VALUES) -> Any:
    """Return ``raw`` as a JSON document.

    Raises:
        MalformedBody: it is not JSON, it is ambiguous, or it has text that can't be passed on.
        PayloadTooLarge: it has more than ``max_values`` values.
    """
    check_structure(raw, max_values)
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
    # JSON can hold NUL and surrogates as escapes only, and pairs of surrogates are fine, so few bodies are searched.
    if _ESCAPED_NUL_OR_SURROGATE.search(raw):
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
    """Refuse NUL and lone surrogates anywhere, naming the path, which is put together only then."""
    pending: list[_Node] = [(None, "", document)]
    while pending:
        node = pending.pop()
        value = node[2]
        if isinstance(value, str):
            if _NUL_OR_SURROGATE.search(value):
                message = "The text has a NUL character or half of a surrogate pair."
                raise MalformedBody(message, param=_path(node) or None)
        elif isinstance(value, list):
            pending += [(node, f"[{index}]", item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            for name, item in value.items():
                pending += [(node, name, name), (node, name, item)]


def _path(node: _Node) -> str:
    places = []
    while node[0] is not None:
        is_index = isinstance(node[0][2], list)
        places.append(node[1] if is_index else f".{_printable(node[1])}")
        node = node[0]
    return "".join(reversed(places)).removeprefix(".")


def _printable(name: str) -> str:
    """Return a name from the body in a form that is safe in an error: short, and without what can't be encoded."""
    return name[:64].encode("ascii", "backslashreplace").decode().replace("\x00", "\\x00")
