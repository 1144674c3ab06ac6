"""Networks from before transformers."""

from tests.architectures.cases.case import Case

CASES: tuple[Case, ...] = ()
