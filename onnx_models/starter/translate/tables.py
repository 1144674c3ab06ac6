"""The tables of ``phrases.toml``: everyday sentences with slots, fixed ones, and the words that fill slots."""

from pathlib import Path

import msgspec

from onnx_models.starter.texts.data import load
from onnx_models.starter.translate.parallel import ParallelTexts


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sentences: ParallelTexts
    fixed: ParallelTexts
    weekdays: ParallelTexts
    months: ParallelTexts
    slots: dict[str, ParallelTexts]


_FILE = load(Path(__file__).with_name("phrases.toml"), _File)
SENTENCES, FIXED = _FILE.sentences, _FILE.fixed
"""Sentences with slots, and sentences without."""
WEEKDAYS, MONTHS = _FILE.weekdays, _FILE.months
SLOTS = _FILE.slots
"""Words for those slots of the sentences that no rule fills."""
