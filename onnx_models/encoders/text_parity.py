"""Compare a text encoder with torch: same tokens, same outputs, whatever the lengths, padding and company."""

from typing import Any

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from onnx_models.comparison import Comparison
from onnx_models.encoders.reference import ReferenceModel
from onnx_models.encoders.served import Outputs, Row, ServedModel, Text
from onnx_models.errors import ParityError
from onnx_models.source import Source
from workers.runtime.model_package import ModelPackage

# What torch and ONNX Runtime raise for a position that the model has no row for.
_TOO_LONG = (IndexError, RuntimeError, InvalidArgument, RuntimeException, Fail)
_SEED = 20260101
_LENGTHS = ((1,), (2, 7), (16, 3, 9, 31), (60, 5, 33, 2, 48, 11, 17, 3, 24, 40, 8, 54, 29, 13, 20))
TEXTS = (
    "a",
    "The quick brown fox jumps over the lazy dog.",
    "How do I reset my password?",
    "I LOVED it!!! 10/10, would buy again :-)",
    "naïve café, Straße, Ærøskøbing, señor",
    "Привет, как дела? 今日はいい天気ですね。 مرحبا",
    "emoji 🎉👩‍👩‍👧 and symbols © € ½ → ≤",
    "tabs\tand\nnew lines   and  spaces ",
    "<html>&amp;</html> {'json': [1, 2.5e-3]} https://example.org/a?b=c#d",
    "[MASK] [SEP] <s> </s> <unk> are words that look special",
    "Antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
)
_PAIRS = (("How old is the city?", "The city was founded in 1201."), ("A man sleeps.", "Nobody is awake, not one."))


def compare(package: ModelPackage, source: Source) -> Comparison:
    """Compare batches of 1 to 15 rows of random tokens, up to the longest that the manifest allows; then texts.

    Only positions that are not padding count. Texts are tokenized on both sides; on the package's they go in one
    padded batch, on the reference's each alone. See `onnx_models.kind.Kind`.
    """
    served, reference = ServedModel(package), ReferenceModel(source, package.manifest)
    found = Comparison()
    for rows in _random_rows(served, reference):
        try:
            expected, together = reference.run(rows), served.run(rows)
        except _TOO_LONG as error:
            sizes = [len(row.ids) for row in rows]
            raise ParityError(f"rows of {sizes} tokens can't be run; is max_tokens right? {error}") from error
        _add(found, together, expected)
        for row, outputs in zip(rows, together, strict=True):
            for name, alone in served.run([row])[0].items():
                found.add_company(alone, outputs[name])
    texts = _texts(served, reference)
    expected = [reference.run([reference.tokenize(text)])[0] for text in texts]
    _add(found, served.run([served.tokenize(text) for text in texts]), expected)
    if package.manifest.embed or package.manifest.classify:
        answers = np.stack([reference.answer(text) for text in texts])
        found.note("answers_diff", float(f"{np.abs(served.answer(texts) - answers).max():.2g}"))
    found.note("texts", len(texts))
    return found


def _add(found: Comparison, served: list[Outputs], reference: list[Outputs]) -> None:
    for row, expected in zip(served, reference, strict=True):
        for name in expected:
            found.add(row[name], expected[name])


def _random_rows(served: ServedModel, reference: ReferenceModel) -> list[list[Row]]:
    limit = served.manifest.limits.max_tokens
    rng = np.random.default_rng(_SEED)
    special = [reference.tokenizer.pad_token_id or 0]
    usable: Any = np.setdiff1d(np.arange(served.tokenizer.get_vocab_size()), special)
    batches = [[min(length, limit) for length in lengths] for lengths in (*_LENGTHS, (limit,))]
    return [[Row(rng.choice(usable, size=size).tolist(), [0] * size) for size in sizes] for sizes in batches]


def _texts(served: ServedModel, reference: ReferenceModel) -> list[Text]:
    """Return the sample texts that fit, after making sure that both sides read the same tokens."""
    limit = served.manifest.limits.max_tokens
    pairs = _PAIRS if served.manifest.task in ("classify", "answer") else ()
    samples: list[Text] = [*TEXTS, " ".join(TEXTS), *pairs]
    texts = [text for text in samples if len(served.tokenize(text).ids) <= limit]
    if not texts:
        raise ParityError(f"not one of the sample texts fits into {limit} tokens")
    for text in texts:
        if _differ(served.tokenize(text), reference.tokenize(text), "token_type_ids" in served.inputs):
            raise ParityError(f"tokenizer.json and transformers' tokenizer disagree about {text!r}")
    return texts


def _differ(actual: Row, expected: Row, has_types: bool) -> bool:
    return actual.ids != expected.ids or (has_types and actual.type_ids != expected.type_ids)
