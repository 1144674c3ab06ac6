"""Converts options of transformers' ``generate`` into ours."""

from dataclasses import fields
from typing import Any

from workers.runtime.decoding.request import Constraints, Sampling

_OTHER_NAMES = {"bad_words_ids": "bad_words", "forced_eos_token_id": "forced_eos_token_ids"}
_CONSTRAINTS = {field.name for field in fields(Constraints)}


def sampling_of(options: dict[str, Any], **more: Any) -> Sampling:
    """Return the sampling with these options and constraints, and with ``more`` of our own fields."""
    ours = {_OTHER_NAMES.get(name, name): _frozen(value) for name, value in options.items()}
    if isinstance(last := ours.get("forced_eos_token_ids"), int):
        ours["forced_eos_token_ids"] = (last,)
    constraints = Constraints(**{name: value for name, value in ours.items() if name in _CONSTRAINTS})
    others = {name: value for name, value in ours.items() if name not in _CONSTRAINTS}
    return Sampling(**others, **more, constraints=constraints)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(each) for each in value) if isinstance(value, list | tuple) else value
