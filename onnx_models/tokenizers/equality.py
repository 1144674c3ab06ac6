"""Compare the tokenizer of a package with the one that it was converted from: ids of texts, and texts of ids."""

import random
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from onnx_models.errors import ExportError
from onnx_models.tokenizers.strings import STRINGS, strings_for

_SEED = 20260101
_NUM_RANDOM = 200


def check_equal(original: Any, converted: Tokenizer, name: str, *, decodes: bool = True, every: int = 1) -> None:
    """Compare encoding, and decoding of its result, on `STRINGS` and on texts with the tokenizer's own tokens.

    Random ids are decoded, too: a model can generate sequences that no text is encoded as.

    Args:
        original: transformers' tokenizer.
        converted: the package's tokenizer.
        name: of the source, for errors.
        decodes: whether to compare decoding.
        every: compare on each ``every``-th string only.

    Raises:
        ExportError: the two differ; the message has the first string with a difference.
    """
    rng = random.Random(_SEED)  # noqa: S311 - ids, not secrets
    sequences = [rng.choices(range(len(original)), k=rng.randint(1, 20)) for _ in range(_NUM_RANDOM // every)]
    for text in [*STRINGS, *strings_for(original)][::every]:
        # verbose=False: transformers would warn of each text that is longer than its model_max_length.
        expected = list(original(text, verbose=False)["input_ids"])
        found = converted.encode(text).ids
        if found != expected:
            raise ExportError(f"{name}: its tokenizer encodes {text!r} as {expected}, the package's as {found}")
        sequences.append(expected)
    # Encoder-only models never decode, and some of their decoders can't restore a text.
    for ids in sequences if decodes else ():
        _check_decoding(original, converted, name, ids)


def _check_decoding(original: Any, converted: Tokenizer, name: str, ids: Sequence[int]) -> None:
    expected = original.decode(ids, skip_special_tokens=True)
    found = converted.decode(ids, skip_special_tokens=True)
    if found != expected:
        raise ExportError(f"{name}: its tokenizer decodes {list(ids)} as {expected!r}, the package's as {found!r}")
