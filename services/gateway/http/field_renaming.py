"""Renames fields in errors: a route of another API has other names for the fields of the task behind it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contracts.errors import InvalidRequest, TriptychError

# The word "inputs" alone is no field: it is as right in a sentence to a client that calls its texts otherwise.
_FIELD = re.compile(r"\b(?:inputs(?:\[\d+\]|\.\w)[\w.]*|parameters\.\w+)")


@contextmanager
def field_renaming(names: Mapping[str, str]) -> Iterator[None]:
    """Let errors that are raised in the ``with`` block name the fields of the route."""
    try:
        yield
    except InvalidRequest as error:
        rename_fields(error, names)
        raise


def rename_fields(error: TriptychError, names: Mapping[str, str]) -> None:
    """Let an error name the fields of the route, as its ``param`` and in its message."""
    error.param = renamed(error.param, names)
    error.message = _FIELD.sub(lambda field: renamed(field[0], names) or field[0], error.message)


def renamed(param: str | None, names: Mapping[str, str]) -> str | None:
    """Return the route's name for a field of the task.

    ``names`` maps beginnings of the task's field paths to what the route has in their place. The first that fits
    counts, so longer ones come first.
    """
    for prefix, name in names.items():
        if param is not None and param.startswith(prefix):
            return name + param.removeprefix(prefix)
    return param
