"""Correct sentences with a package of graph kind ``recurrent``, in the plainest way. For judging only."""

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from contracts.model_package.package import ModelPackage
from onnx_models.classic.recurrent.served import ServedRecurrent

_NUM_ROWS = 64


def correct(package: ModelPackage, sentences: Sequence[str]) -> list[str | None]:
    """Return what the model makes of each sentence, always by its likeliest token.

    Returns:
        The sentences; None for one that had not come to its end after as many tokens as an answer may have.
    """
    tokenizer = Tokenizer.from_file(str(package.file("tokenizer.json")))
    model = ServedRecurrent(package)
    answers: list[str | None] = []
    for start in range(0, len(sentences), _NUM_ROWS):
        sources = [tokenizer.encode(sentence).ids for sentence in sentences[start : start + _NUM_ROWS]]
        written = _write(model, package, sources)
        answers += [None if ids is None else tokenizer.decode(ids, skip_special_tokens=False) for ids in written]
    return answers


def _write(model: ServedRecurrent, package: ModelPackage, sources: Sequence[Sequence[int]]) -> list[list[int] | None]:
    """Return for each source the tokens up to the end token, or None; all rows go on until the last one ends."""
    manifest = package.manifest
    ends = manifest.generation.eos_token_ids if manifest.generation else []
    feed, tokens = model.read(sources), np.full(len(sources), model.start, np.int64)
    written: list[list[int]] = [[] for _ in sources]
    running = set(range(len(sources)))
    for _ in range((manifest.limits.max_new_tokens or 1) - 1):
        logits, feed = model.step(tokens, feed)
        tokens = logits.argmax(axis=1)
        running -= {row for row in running if tokens[row] in ends}
        if not running:
            break
        for row in running:
            written[row].append(int(tokens[row]))
    return [None if row in running else ids for row, ids in enumerate(written)]
