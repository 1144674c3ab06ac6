"""Encoder-decoders."""

from tests.architectures.cases.case import Case

CASES: tuple[Case, ...] = ()
