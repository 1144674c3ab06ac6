"""What all tables of a manifest have in common."""

from typing import Annotated

import msgspec

PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
TokenId = Annotated[int, msgspec.Meta(ge=0)]
Labels = Annotated[list[str], msgspec.Meta(min_length=1)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Base of every table. Unknown fields are refused, and a field that equals its default is not written.

    A misspelled field would otherwise be ignored, and silently change how a model is served.
    """
