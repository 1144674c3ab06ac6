"""Renames fields in errors: a route of another API has other names for the fields of the task behind it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contracts.errors import InvalidRequest


@contextmanager
def field_renaming(names: Mapping[str, str]) -> Iterator[None]:
    """Let errors that are raised in the ``with`` block name the fields of the route."""
    try:
        yield
    except InvalidRequest as error:
        error.param = renamed(error.param, names)
        raise


def renamed(param: str | None, names: Mapping[str, str]) -> str | None:
    """Return the route's name for a field of the task.

    ``names`` maps beginnings of the task's field paths to what the route has in their place. The first that fits
    counts, so longer ones come first.
    """
    for prefix, name in names.items():
        if param is not None and param.startswith(prefix):
            return name + param.removeprefix(prefix)
    return param
