"""Encoders of texts, pictures and sound."""

from tests.architectures.cases.case import Case

_TEXT = ("BERT", "ALBERT", "DistilBERT", "ELECTRA", "RoBERTa", "MPNet", "ModernBERT")
_OPTIONS = {"embed": {"pooling": "mean"}, "classify": {}, "entities": {}, "answer": {}, "fill_mask": {}}

CASES: tuple[Case, ...] = tuple(
    Case(name, task, f"encoders:text_encoder:{name.lower()}:{task}", options)
    for name in _TEXT
    for task, options in _OPTIONS.items()
)
