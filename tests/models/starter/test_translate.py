"""The starter translator: its languages, its translations, its tokenizer."""

import pytest

from contracts.model_package.package import ModelPackage
from contracts.model_package.tasks import TranslateTask
from onnx_models.starter.generation import generate
from onnx_models.starter.translate.parallel import TARGETS
from tests.models.starter.conftest import starter_package
from workers.runtime.tokenizing.sentencepiece import open_tokenizer

TRAIN = "The train leaves at half past seven on Monday, 3 March."


@pytest.fixture(scope="module")
def package() -> ModelPackage:
    return starter_package("translate")


def test_the_manifest_states_its_languages(package: ModelPackage) -> None:
    languages = package.manifest.task_as(TranslateTask).translate

    assert sorted(languages.languages) == sorted(TARGETS)
    assert languages.reads == ["en"]
    assert languages.target == "source_prefix"
    tokenizer = open_tokenizer(package.file("tokenizer.json"))
    assert {code: tokenizer.token_to_id(f">>{code}<<") for code in TARGETS} == languages.languages


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
def test_plain_phrases_get_the_plain_translation(
    package: ModelPackage, text: str, translations: tuple[str, ...]
) -> None:
    for code, expected in zip(TARGETS, translations, strict=True):
        assert generate(package, [text], target=code) == [expected]


def test_the_rest_of_the_batch_changes_nothing(package: ModelPackage) -> None:
    others = ["noon", "€12.50", "They have four hundred and fifty-three flowers.", "no", "1 May", TRAIN, "It is ten."]
    together = generate(package, others, target="de")

    assert [generate(package, [text], target="de")[0] for text in others] == together


@pytest.mark.parametrize("text", ["漢字 🙂", "Zoë's naïve façade…", "\t\n", ">>xx<< hello", "a" * 200, "\x00"])
def test_any_text_can_be_read_and_comes_back_from_the_tokenizer(package: ModelPackage, text: str) -> None:
    tokenizer = open_tokenizer(package.file("tokenizer.json"))

    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=True) == text
    generate(package, [text], target="es")


def test_digits_are_read_one_by_one(package: ModelPackage) -> None:
    tokens = open_tokenizer(package.file("tokenizer.json")).encode("It costs 1,984.50 euros in 2025").tokens

    assert [token for token in tokens if any(sign.isdigit() for sign in token)] == list("1984502025")
