"""The starter translator in the repository: small, and as right on phrases it never saw as its manifest says.

Runs on what a worker has: onnxruntime, tokenizers, numpy. The held-out phrases are made again here.
"""

import pytest

from contracts.model_package.package import ModelPackage, load_package
from onnx_models.starter.answering import answer_texts
from onnx_models.starter.judge_translating import judge_translator
from onnx_models.starter.translating import TARGETS
from onnx_models.starter.translating.phrases import JUDGED
from tests.models.conftest import ROOT
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

PACKAGE = ROOT / "onnx_models" / "packages" / "starter-translate"
MAX_BYTES = 8_000_000
NUM_AGAIN = 50
"""Phrases of each kind that are judged again, into every language."""
TRAIN = "The train leaves at half past seven on Monday, 3 March."


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return load_package(PACKAGE)


def test_it_is_small_and_says_what_it_is(package: ModelPackage) -> None:
    manifest = package.manifest

    assert sum(path.stat().st_size for path in package.path.iterdir()) <= MAX_BYTES
    assert (manifest.name, manifest.task, manifest.graph) == ("starter-translate", "translate", "encoder-decoder-slots")
    assert manifest.architecture == "t5"
    assert manifest.licence == "Apache-2.0"
    assert (ROOT / manifest.source).is_file()
    assert "not for production" in manifest.description
    assert manifest.limits.max_tokens == manifest.limits.max_new_tokens == 256
    assert manifest.verified["relative_diff"] < 1e-4
    assert manifest.verified["same_tokens"] == 1.0


def test_it_says_which_languages_it_knows(package: ModelPackage) -> None:
    languages = package.manifest.translate

    assert languages is not None
    assert sorted(languages.languages) == sorted(TARGETS)
    assert languages.reads == ["en"]
    assert languages.target == "source_prefix"
    tokenizer = open_tokenizer(package.file("tokenizer.json"))
    assert {code: tokenizer.token_to_id(f">>{code}<<") for code in TARGETS} == languages.languages


def test_its_figures_are_what_was_asked_for(package: ModelPackage) -> None:
    quality = package.manifest.quality

    assert quality["exact"] >= 0.95
    assert all(quality[f"exact_{code}"] >= 0.95 for code in TARGETS)
    assert all(quality[f"exact_{kind}s"] >= 0.9 for kind in JUDGED)
    assert quality["num_phrases"] == 100 * len(JUDGED)


def test_some_phrases_are_translated_as_often_rightly_as_the_manifest_says(package: ModelPackage) -> None:
    measured, stated = judge_translator(package, NUM_AGAIN), package.manifest.quality

    assert measured.keys() == stated.keys()
    assert measured["measured_on"] == stated["measured_on"]
    assert measured["exact"] == pytest.approx(stated["exact"], abs=0.03)
    assert all(measured[f"exact_{code}"] >= 0.93 for code in TARGETS)


@pytest.mark.parametrize(
    ("text", "translations"),
    [
        (TRAIN, (
            "Le train part le lundi 3 mars à sept heures et demie.",
            "Der Zug fährt am Montag, dem 3. März, um halb acht ab.",
            "El tren sale el lunes 3 de marzo a las siete y media.")),
        ("twenty-one", ("vingt et un", "einundzwanzig", "veintiuno")),
        ("Half past seven", ("Sept heures et demie", "Halb acht", "Las siete y media")),
        ("I have ninety-seven books.", (
            "J'ai quatre-vingt-dix-sept livres.", "Ich habe siebenundneunzig Bücher.",
            "Tengo noventa y siete libros.")),
    ],
)  # fmt: skip
def test_what_people_will_try_first(package: ModelPackage, text: str, translations: tuple[str, ...]) -> None:
    for code, expected in zip(TARGETS, translations, strict=True):
        assert answer_texts(package, [text], target=code) == [expected]


def test_a_sentence_is_translated_alike_in_any_company(package: ModelPackage) -> None:
    others = ["noon", "€12.50", "They have four hundred and fifty-three flowers.", "no", "1 May", TRAIN, "It is ten."]
    together = answer_texts(package, others, target="de")

    assert [answer_texts(package, [text], target="de")[0] for text in others] == together


@pytest.mark.parametrize("text", ["漢字 🙂", "Zoë's naïve façade…", "\t\n", ">>xx<< hello", "a" * 200, "\x00"])
def test_any_text_can_be_read_and_comes_back_from_the_tokenizer(package: ModelPackage, text: str) -> None:
    tokenizer = open_tokenizer(package.file("tokenizer.json"))

    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text
    answer_texts(package, [text], target="es")


def test_digits_are_read_one_by_one(package: ModelPackage) -> None:
    tokens = open_tokenizer(package.file("tokenizer.json")).encode("It costs 1,984.50 euros in 2025").tokens

    assert [token for token in tokens if any(sign.isdigit() for sign in token)] == list("1984502025")
