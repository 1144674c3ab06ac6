"""Prove that the tokenizer of a package gives the ids and the texts of the one that it was made from."""

import random
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from onnx_models.errors import ExportError
from onnx_models.tokenizers.strings import STRINGS, strings_about

_SEED = 20260101
_NUM_ANSWERS = 200


def check_equal(original: Any, converted: Tokenizer, name: str, *, decodes: bool = True, every: int = 1) -> None:
    """Compare on `STRINGS` and on texts with the tokenizer's own words: encoding, and decoding of what comes out.

    Random ids are decoded too, since what a model writes need not be what a text is read as.

    Args:
        original: transformers' tokenizer.
        converted: of the package.
        name: of the source, for errors.
        decodes: whether to compare decoding.
        every: compare on each ``every``-th string only.

    Raises:
        ExportError: the two differ; the message has the first string that they differ about.
    """
    rng = random.Random(_SEED)  # noqa: S311 - ids, not secrets
    answers = [rng.choices(range(len(original)), k=rng.randint(1, 20)) for _ in range(_NUM_ANSWERS // every)]
    for text in [*STRINGS, *strings_about(original)][::every]:
        expected = list(original(text, verbose=False)["input_ids"])
        found = converted.encode(text).ids
        if found != expected:
            raise ExportError(f"{name}: its tokenizer reads {text!r} as {expected}, the package's as {found}")
        answers.append(expected)
    for ids in answers if decodes else ():
        _check_decoding(original, converted, name, ids)


def _check_decoding(original: Any, converted: Tokenizer, name: str, ids: Sequence[int]) -> None:
    expected = original.decode(ids, skip_special_tokens=True)
    found = converted.decode(ids, skip_special_tokens=True)
    if found != expected:
        raise ExportError(f"{name}: its tokenizer writes {list(ids)} as {expected!r}, the package's as {found!r}")
