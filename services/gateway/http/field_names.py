"""Errors about a task's fields in the names that a route of another API has for them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from contracts.errors import InvalidRequest


@contextmanager
def own_words(names: Mapping[str, str]) -> Iterator[None]:
    """Let errors about the task's fields name the fields of the route."""
    try:
        yield
    except InvalidRequest as error:
        error.param = renamed(error.param, names)
        raise


def renamed(param: str | None, names: Mapping[str, str]) -> str | None:
    """Return the route's name of a field: the first of ``names`` that it begins with is put in its own words."""
    for theirs, ours in names.items():
        if param is not None and param.startswith(theirs):
            return ours + param.removeprefix(theirs)
    return param
