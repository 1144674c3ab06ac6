"""Check that a package answers as the torch model does: same tokens, same graph output, same vectors or scores.

Differences are measured against the size of the numbers: largest ``|served - reference|`` divided by the largest
``|reference|`` or 1, whichever is more. For normalised vectors and for scores that is the plain absolute difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from onnx_models.errors import ParityError
from onnx_models.reference import ReferenceModel
from onnx_models.served import Row, ServedModel, Text
from onnx_models.source import Source
from workers.runtime.model_package import ModelPackage

DEFAULT_ATOL = 1e-4
# What torch and ONNX Runtime raise for a position that the model has no row for.
_TOO_LONG = (IndexError, RuntimeError, InvalidArgument, RuntimeException, Fail)
_SEED = 20260101
_LENGTHS = ((1,), (2, 7), (16, 3, 9, 31), (60, 5, 33, 2, 48, 11, 17, 3, 24, 40, 8, 54, 29, 13, 20))
_TEXTS = (
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


@dataclass(frozen=True)
class Parity:
    """What was measured; the differences as the module's docstring defines them."""

    graph: float
    answers: float
    num_rows: int
    num_texts: int

    def as_table(self) -> dict[str, float | int]:
        """Return the figures under the names that the manifest's [export] table uses."""
        return {
            "parity_graph": float(f"{self.graph:.2g}"),
            "parity_answers": float(f"{self.answers:.2g}"),
            "parity_rows": self.num_rows,
            "parity_texts": self.num_texts,
        }


def verify(package: ModelPackage, source: Source, atol: float = DEFAULT_ATOL) -> Parity:
    """Compare a package with the torch model of ``source``.

    Batches of 1 to 15 rows and of 1 token to the manifest's maximum are compared at every position that is not
    padding. Then texts go the whole way: one padded batch here, each text alone there, so that a row's answer is also
    shown not to depend on its neighbours.

    Raises:
        ParityError: other tokens, or a difference above ``atol`` (or not a number).
    """
    served, reference = ServedModel(package), ReferenceModel(source, package.manifest)
    graph, num_rows = _compare_graphs(served, reference)
    _require(graph, atol, "the graph's output")
    answers, num_texts = _compare_answers(served, reference)
    _require(answers, atol, "vectors" if package.manifest.embed else "scores")
    return Parity(graph=graph, answers=answers, num_rows=num_rows, num_texts=num_texts)


def _require(found: float, atol: float, what: str) -> None:
    if not found <= atol:  # written so that a NaN fails too
        raise ParityError(f"{what}: ONNX and torch differ by {found:.3g}, allowed is {atol:.3g}")


def _compare_graphs(served: ServedModel, reference: ReferenceModel) -> tuple[float, int]:
    limit = served.manifest.limits.max_tokens
    batches = [*_LENGTHS, (limit,)]
    rng = np.random.default_rng(_SEED)
    usable = np.setdiff1d(np.arange(served.tokenizer.get_vocab_size()), [reference.tokenizer.pad_token_id or 0])
    worst = 0.0
    for lengths in batches:
        sizes = [min(length, limit) for length in lengths]
        rows = [Row(rng.choice(usable, size=size).tolist(), [0] * size) for size in sizes]
        try:
            expected = reference.run(rows)
            actual, mask = served.run(rows)
        except _TOO_LONG as error:
            raise ParityError(f"rows of {lengths} tokens can't be run; is max_tokens right? {error}") from error
        real = mask.astype(bool) if expected.ndim == 3 else slice(None)
        worst = _larger(worst, difference(actual[real], expected[real]))
    return worst, sum(len(lengths) for lengths in batches)


def _compare_answers(served: ServedModel, reference: ReferenceModel) -> tuple[float, int]:
    limit = served.manifest.limits.max_tokens
    samples: list[Text] = [*_TEXTS, " ".join(_TEXTS), *(_PAIRS if served.manifest.classify else ())]
    texts = [text for text in samples if len(served.tokenize(text).ids) <= limit]
    if not texts:
        raise ParityError(f"not one of the sample texts fits into {limit} tokens")
    for text in texts:
        if _differ(served.tokenize(text), reference.tokenize(text), "token_type_ids" in served.inputs):
            raise ParityError(f"tokenizer.json and transformers' tokenizer disagree about {text!r}")
    answers = served.answer(texts)
    expected = np.stack([reference.answer(text) for text in texts])
    return difference(answers, expected), len(texts)


def _differ(actual: Row, expected: Row, has_types: bool) -> bool:
    return actual.ids != expected.ids or (has_types and actual.type_ids != expected.type_ids)


def difference(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest difference relative to the largest expected number or 1; NaN if either has a NaN.

    Raises:
        ParityError: the shapes differ.
    """
    if actual.shape != expected.shape:
        raise ParityError(f"ONNX answers an array of {actual.shape}, torch one of {expected.shape}")
    return float(np.abs(actual - expected).max() / max(1.0, float(np.abs(expected).max())))


def _larger(left: float, right: float) -> float:
    """``max`` that keeps a NaN, whichever side it is on."""
    return float(np.maximum(left, right))
