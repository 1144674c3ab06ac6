"""Rows that only have a length and a key."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class FakeRow(NamedTuple):
    length: int
    batch_key: Hashable = None


def rows_of(lengths: Sequence[int]) -> list[FakeRow]:
    return [FakeRow(length) for length in lengths]
