"""What the catalogue claims: a case for each architecture and task. The table in the docs lists these and no others."""

from tests.architectures.cases import classic, decoders, encoders, seq2seq
from tests.architectures.cases.case import Case

__all__ = ["CASES", "Case"]
CASES: tuple[Case, ...] = (*encoders.CASES, *decoders.CASES, *seq2seq.CASES, *classic.CASES)
