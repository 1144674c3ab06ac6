"""Encoders of texts, pictures and sound."""

from tests.architectures.cases.case import Case

CASES: tuple[Case, ...] = (
    Case("BERT", "embed", "encoders:bert", {"pooling": "mean"}),
    Case("BERT", "classify", "encoders:bert_classify"),
)
