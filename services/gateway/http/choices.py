"""Which words a field of a body may have: msgspec says that one is wrong, and not which are right."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.inspect import (
    BoolType,
    DictType,
    ListType,
    LiteralType,
    Metadata,
    StrType,
    StructType,
    Type,
    UnionType,
)

_STEP = re.compile(r"\.?(?P<field>[^.\[\]]+)|(?P<items>\[[^\[\]]*\])")
_type_of = lru_cache(64)(msgspec.inspect.type_info)


def choices_of(kind: Any, path: str) -> list[str]:
    """Return the words that may stand at a path of msgspec's, as ``inputs[3].role``; none if any text may, or none."""
    found = list(_plain(_type_of(kind)))
    for step in _STEP.finditer(path):
        found = [inner for outer in found for inner in _inside(outer, step["field"])]
    if any(isinstance(one, StrType) for one in found):
        return []
    words = [str(value) for one in found if isinstance(one, LiteralType) for value in one.values]
    booleans = ["true", "false"] if words and any(isinstance(one, BoolType) for one in found) else []
    return list(dict.fromkeys([*booleans, *words]))


def _plain(kind: Type) -> Iterator[Type]:
    """Yield a type, or the members of a union, without what is known of them besides."""
    if isinstance(kind, Metadata):
        yield from _plain(kind.type)
    elif isinstance(kind, UnionType):
        for member in kind.types:
            yield from _plain(member)
    else:
        yield kind


def _inside(kind: Type, field: str | None) -> Iterable[Type]:
    """Yield the types of a field of that name, or of items if there is none."""
    if isinstance(kind, StructType) and field is not None:
        for one in kind.fields:
            if one.encode_name == field:
                yield from _plain(one.type)
    elif isinstance(kind, ListType) and field is None:
        yield from _plain(kind.item_type)
    elif isinstance(kind, DictType) and field is None:
        yield from _plain(kind.value_type)
