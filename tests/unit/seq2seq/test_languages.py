"""What clients call languages, what models call them, and what a model is told."""

from collections.abc import Sequence

import pytest

from contracts.errors import InvalidRequest
from contracts.model_package.manifest import Translate
from workers.seq2seq.languages.directions import ByPrompt, ByToken, OnePair
from workers.seq2seq.languages.languages import Languages, same_language
from workers.seq2seq.languages.names import LANGUAGES
from workers.seq2seq.sources import Instruction

NLLB = (
    (
        "arb_Arab arb_Latn azj_Latn cmn_Hans deu_Latn eng_Latn fra_Latn khk_Cyrl kor_Hang lvs_Latn nob_Latn npi_Deva "
        "pes_Arab plt_Latn por_Latn srp_Cyrl swh_Latn uzn_Latn ydd_Hebr zho_Hans zho_Hant zsm_Latn ace_Arab ace_Latn"
    )
    .replace("cmn_Hans ", "")
    .split()
)
MBART = "ar_AR de_DE en_XX es_XX fr_XX he_IL ja_XX pt_XX ro_RO sv_SE zh_CN".split()  # noqa: SIM905
MARIAN = "cmn_Hans cmn_Hant deu fra pt pt_br".split()  # noqa: SIM905


@pytest.mark.parametrize(
    ("codes", "said", "expected"),
    [
        (NLLB, "de", "deu_Latn"),
        (NLLB, "deu", "deu_Latn"),
        (NLLB, "ger", "deu_Latn"),
        (NLLB, "DE-at", "deu_Latn"),
        (NLLB, "German", "deu_Latn"),
        (NLLB, "deu_latn", "deu_Latn"),
        (NLLB, "en-US", "eng_Latn"),
        (NLLB, "pt_BR", "por_Latn"),
        (NLLB, "zh", "zho_Hans"),
        (NLLB, "zh-Hans", "zho_Hans"),
        (NLLB, "zh-TW", "zho_Hant"),
        (NLLB, "zh_hant_hk", "zho_Hant"),
        (NLLB, "cmn", "zho_Hans"),
        (NLLB, "ar", "arb_Arab"),
        (NLLB, "ar-Latn", "arb_Latn"),
        (NLLB, "no", "nob_Latn"),
        (NLLB, "ko", "kor_Hang"),
        (NLLB, "ko-Kore", "kor_Hang"),
        (NLLB, "fa", "pes_Arab"),
        (NLLB, "ms", "zsm_Latn"),
        (NLLB, "mn", "khk_Cyrl"),
        (NLLB, "lv", "lvs_Latn"),
        (NLLB, "ne", "npi_Deva"),
        (NLLB, "mg", "plt_Latn"),
        (NLLB, "sw", "swh_Latn"),
        (NLLB, "yi", "ydd_Hebr"),
        (NLLB, "az", "azj_Latn"),
        (NLLB, "ace", "ace_Latn"),
        (MBART, "de", "de_DE"),
        (MBART, "en-GB", "en_XX"),
        (MBART, "eng_Latn", "en_XX"),
        (MBART, "zh", "zh_CN"),
        (MBART, "zh-Hans", "zh_CN"),
        (MBART, "iw", "he_IL"),
        (MARIAN, "zh-TW", "cmn_Hant"),
        (MARIAN, "zh", "cmn_Hans"),
        (MARIAN, "pt-BR", "pt_br"),
        (MARIAN, "pt", "pt"),
        (MARIAN, "pt-PT", "pt"),
        (MARIAN, "fr", "fra"),
        (["en", "sw", "ns"], "nso", "ns"),
        (["x-elvish"], "x-elvish", "x-elvish"),
    ],
)
def test_a_language_has_many_names(codes: Sequence[str], said: str, expected: str) -> None:
    assert Languages(codes, "target").find(said, "tgt_lang") == expected


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (NLLB, "tlh"),
        (NLLB, "sr-Latn"),
        (MBART, "zh-TW"),
        (MBART, "xx"),
        (NLLB, "english please"),
        (NLLB, "-"),
        (NLLB, "🙂"),
    ],
)
def test_a_language_that_the_model_lacks_is_refused_with_those_that_it_has(codes: Sequence[str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=r"it has .*\bde, ") as refusal:
        Languages(codes, "target").find(said, "parameters.tgt_lang")
    assert refusal.value.param == "parameters.tgt_lang"


def test_many_languages_are_not_all_listed() -> None:
    codes = sorted({known.code for known in LANGUAGES.values()})
    with pytest.raises(InvalidRequest, match=rf"and {len(codes) - 40} more: see /v1/models") as refusal:
        Languages(codes, "source").find("tlh", "x")
    assert len(str(refusal.value)) < 400


def test_every_code_that_clients_are_told_is_understood() -> None:
    for codes in (NLLB, MBART, MARIAN):
        languages = Languages(codes, "source")
        told = languages.told()
        assert len(told) == len(codes)
        assert sorted(languages.find(code, "x") for code in told) == sorted(codes)
    assert Languages(NLLB, "source").told()["zh-Hant"] == "Chinese (traditional)"
    assert Languages(NLLB, "source").told()["zh"] == "Chinese"
    assert Languages(MARIAN, "source").told() == {
        "de": "German", "fr": "French", "pt": "Portuguese", "pt-BR": "Portuguese (BR)", "zh": "Chinese",
        "zh-Hant": "Chinese (traditional)",
    }  # fmt: skip


def test_the_table_is_sound() -> None:
    rows = {known.code: known for known in LANGUAGES.values()}
    assert len(rows) > 200 and len({known.name for known in rows.values()}) == len(rows)
    assert all(code == code.lower() and 2 <= len(code) <= 3 for code in LANGUAGES)


def test_scripts_make_two_languages_of_one() -> None:
    assert same_language("en", "eng_Latn") and same_language("zh", "zho_Hans")
    assert not same_language("zho_Hans", "zho_Hant") and not same_language("pt", "pt_BR")


IDS = {"eng_Latn": 3, "fra_Latn": 4, "deu_Latn": 5}
MANY = ByToken(Translate(languages=IDS, source="prefix", default_source="eng_Latn"))
TO = ByToken(Translate(languages={"fr": 4, "de": 5}, reads=["en"], target="source_prefix"))
FROM_START = ByToken(Translate(languages=IDS, source="suffix", default_source="eng_Latn", target="decoder_start"))
WORDS = ByPrompt({("en", "de"): "to German: ", ("en", "fr"): "to French: ", ("de", "en"): "to English: "})


@pytest.mark.parametrize(
    ("ways", "source", "target", "expected"),
    [
        (MANY, "de", "fr", Instruction(source_token=5, first_token=4)),
        (MANY, None, "fr", Instruction(source_token=3, first_token=4)),
        (FROM_START, "fr", "en", Instruction(source_token=4, source_place="suffix", start_token=3)),
        (TO, None, "de", Instruction(target_token=5)),
        (TO, "en-GB", "fr", Instruction(target_token=4)),
        (WORDS, "en", "fr", Instruction(prompt="to French: ")),
        (WORDS, None, "en", Instruction(prompt="to English: ")),
        (WORDS, "de", None, Instruction(prompt="to English: ")),
        (OnePair(Translate(reads=["en"], writes=["deu"])), "eng", "de", Instruction()),
        (OnePair(Translate()), None, None, Instruction()),
    ],
)
def test_a_model_is_told_its_languages_in_its_own_way(
    ways: ByToken | ByPrompt | OnePair, source: str | None, target: str | None, expected: Instruction
) -> None:
    assert ways.find(source, target, forced=False) == expected


@pytest.mark.parametrize(
    ("ways", "source", "target", "words", "param"),
    [
        (MANY, "de", None, "Say into which language", "tgt_lang"),
        (MANY, "de", "de-DE", "same language", "tgt_lang"),
        (MANY, None, "en", "where src_lang is not given", "tgt_lang"),
        (MANY, "tlh", "de", "no source language 'tlh'; it has de, en, fr", "src_lang"),
        (TO, "fr", "de", "no source language", "src_lang"),
        (TO, None, "en", "no target language", "tgt_lang"),
        (WORDS, "de", "fr", "does not translate de to fr", "tgt_lang"),
        (WORDS, "en", "en", "same language", "tgt_lang"),
        (WORDS, "en", None, "tgt_lang is one of", "tgt_lang"),
        (WORDS, None, None, "tgt_lang is one of", "tgt_lang"),
        (OnePair(Translate(reads=["en"], writes=["de"])), "fr", None, "no source language", "src_lang"),
        (OnePair(Translate(reads=["en"], writes=["de"])), "en", "en", "no target language", "tgt_lang"),
        (OnePair(Translate()), "en", None, "leave out src_lang", "src_lang"),
    ],
)
def test_ways_that_a_model_does_not_have_are_refused(
    ways: ByToken | ByPrompt | OnePair, source: str | None, target: str | None, words: str, param: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as refusal:
        ways.find(source, target, forced=False)
    assert refusal.value.param == f"parameters.{param}"


def test_a_client_may_name_the_first_token_itself() -> None:
    assert MANY.find("de", None, forced=True) == Instruction(source_token=5)
