"""The starter summarizer in the repository: small, and its headlines state the facts as often as its manifest says.

Runs on what a worker has: onnxruntime, tokenizers, numpy. The held-out reports are made again here.
"""

import pytest

from contracts.model_package.package import ModelPackage, load_package
from onnx_models.starter.answering import answer_texts
from onnx_models.starter.judge_summarizing import judge_summarizer
from onnx_models.starter.reporting.topics import TOPICS
from tests.models.conftest import ROOT
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

PACKAGE = ROOT / "onnx_models" / "packages" / "starter-summarize"
MAX_BYTES = 8_000_000
MATCH = (
    "It rained for most of the match. The teams met in Leeds on Sunday. Anna Ashford scored after 12 minutes. "
    "United lost 1-3 to Rovers. The next match is on Friday in York."
)
STORM = "A storm will reach Ripon on Friday. Schools will stay closed. Winds may reach 110 km/h."


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return load_package(PACKAGE)


def test_it_is_small_and_says_what_it_is(package: ModelPackage) -> None:
    manifest = package.manifest

    assert sum(path.stat().st_size for path in package.path.iterdir()) <= MAX_BYTES
    assert (manifest.name, manifest.task, manifest.graph) == ("starter-summarize", "summarize", "encoder-decoder-slots")
    assert manifest.architecture == "bart"
    assert manifest.licence == "Apache-2.0"
    assert (ROOT / manifest.source).is_file()
    assert "not for production" in manifest.description
    assert manifest.limits.max_tokens == 256
    assert manifest.verified["relative_diff"] < 1e-4
    assert manifest.verified["same_tokens"] == 1.0


def test_its_figures_are_what_was_asked_for(package: ModelPackage) -> None:
    quality = package.manifest.quality

    assert quality["facts"] >= 0.9
    assert quality["headlines_exact"] >= 0.8
    assert quality["num_reports"] == 20 * len(TOPICS)


def test_some_reports_are_summarized_as_often_rightly_as_the_manifest_says(package: ModelPackage) -> None:
    measured, stated = judge_summarizer(package, num_reports=6, num_rows=20), package.manifest.quality

    assert measured.keys() == stated.keys()
    assert measured["measured_on"] == stated["measured_on"]
    assert measured["facts"] == pytest.approx(stated["facts"], abs=0.05)
    assert measured["facts"] >= 0.9


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        (MATCH, "Rovers beat United 3-1 in Leeds on Sunday"),
        (STORM, "Storm with winds of 110 km/h expected in Ripon on Friday"),
    ],
)
def test_what_people_will_try_first(package: ModelPackage, text: str, headline: str) -> None:
    assert answer_texts(package, [text]) == [headline]


def test_summaries_of_parts_become_the_headline_of_the_first(package: ModelPackage) -> None:
    headlines = [text or "" for text in answer_texts(package, [MATCH, STORM, MATCH])]

    for joint in (" ", "\n"):
        assert answer_texts(package, [joint.join(headlines)]) == headlines[:1]
    assert answer_texts(package, headlines) == headlines


@pytest.mark.parametrize("text", ["漢字 🙂", "Zoë's naïve façade…", "\t\n", "a" * 200, "\x00"])
def test_any_text_can_be_read_and_comes_back_from_the_tokenizer(package: ModelPackage, text: str) -> None:
    tokenizer = open_tokenizer(package.file("tokenizer.json"))

    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text
    answer_texts(package, [text])
