"""The starter summarizer: its headlines, and how it reads several of them."""

import pytest

from contracts.model_package.package import ModelPackage
from onnx_models.starter.generation import generate
from tests.models.starter.conftest import starter_package
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

MATCH = (
    "It rained for most of the match. The teams met in Leeds on Sunday. Anna Ashford scored after 12 minutes. "
    "United lost 1-3 to Rovers. The next match is on Friday in York."
)
STORM = "A storm will reach Ripon on Friday. Schools will stay closed. Winds may reach 110 km/h."


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return starter_package("summarize")


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        (MATCH, "Rovers beat United 3-1 in Leeds on Sunday"),
        (STORM, "Storm with winds of 110 km/h expected in Ripon on Friday"),
    ],
)
def test_plain_reports_get_the_plain_headline(package: ModelPackage, text: str, headline: str) -> None:
    assert generate(package, [text]) == [headline]


def test_joined_summaries_of_chunks_become_the_headline_of_the_first(package: ModelPackage) -> None:
    headlines = [text or "" for text in generate(package, [MATCH, STORM, MATCH])]

    for separator in (" ", "\n"):
        assert generate(package, [separator.join(headlines)]) == headlines[:1]
    assert generate(package, headlines) == headlines


@pytest.mark.parametrize("text", ["漢字 🙂", "Zoë's naïve façade…", "\t\n", "a" * 200, "\x00"])
def test_any_text_can_be_read_and_comes_back_from_the_tokenizer(package: ModelPackage, text: str) -> None:
    tokenizer = open_tokenizer(package.file("tokenizer.json"))

    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text
    generate(package, [text])
