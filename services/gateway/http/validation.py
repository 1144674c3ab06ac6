"""From a parsed body to its type: the one place where msgspec's errors become errors with the path of a field."""

import re
from typing import Any, TypeVar

import msgspec

from contracts.errors import InvalidRequest
from services.gateway.http.choices import choices_of

T = TypeVar("T")
_PATH = re.compile(r"(?P<problem>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)


def check(document: Any, kind: type[T], *, strict: bool = True) -> T:
    """Return a parsed body as its type. Without ``strict``, numbers and booleans may be given as text, as in forms.

    Raises:
        InvalidRequest: it does not fit; ``param`` names the field.
    """
    try:
        return msgspec.convert(document, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _with_param(str(error), kind) from error


def without_nulls(document: Any) -> Any:
    """Return a parsed body without the fields of objects that are null, for APIs in which null means not given."""
    if isinstance(document, dict):
        return {name: without_nulls(value) for name, value in document.items() if value is not None}
    if isinstance(document, list):
        return [without_nulls(value) for value in document]
    return document


def refuse_blank(path: str, value: Any) -> None:
    """Raise InvalidRequest, naming the path, if any text in ``value`` has white space only.

    Looks into lists and structs; what is neither of them nor a text is never blank.
    """
    if isinstance(value, str):
        if value.isspace():
            raise InvalidRequest("Expected a text that is not blank.", param=path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            refuse_blank(f"{path}[{index}]", item)
    elif isinstance(value, msgspec.Struct):
        for name, field in zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True):
            refuse_blank(f"{path}.{name}", getattr(value, field))


def _with_param(text: str, kind: Any) -> InvalidRequest:
    """Split msgspec's sentence, which ends in a path such as `$.inputs[3]`, into a message and the field's path."""
    # Cut to bounded lengths below: msgspec quotes names and values of the body, which may be megabytes long.
    match = _PATH.fullmatch(text)
    problem, path = (match["problem"], (match["path"] or "").lstrip(".")) if match else (text, "")
    field = _FIELD.fullmatch(problem)
    if field:
        path = f"{path}.{field['name'][:64]}" if path else field["name"][:64]
    elif problem.startswith(("Invalid enum value", "Expected")) and (choices := choices_of(kind, path)):
        words = ", ".join(f"`{one}`" for one in choices)
        problem = f"Expected one of {words}" if len(choices) > 1 else f"Expected {words}"
    # msgspec writes `[...]` for the value of a dictionary, whose key it does not name.
    return InvalidRequest(f"{problem[:300]}.", param=path.replace("[...]", "") or None)
