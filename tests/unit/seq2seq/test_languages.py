"""Language codes of clients and models, and how the languages of a request reach a model."""

from collections.abc import Sequence

import pytest

from contracts.errors import InvalidRequest
from contracts.model_package.tasks import Translate
from workers.seq2seq.languages.directions import Directions, PromptDirections, SingleDirection, TokenDirections
from workers.seq2seq.languages.iso639 import LANGUAGES
from workers.seq2seq.languages.matching import LanguageSet, same_language
from workers.seq2seq.source_tokenizer import Conditioning

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
    ("codes", "requested", "expected"),
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
def test_a_language_has_many_names(codes: Sequence[str], requested: str, expected: str) -> None:
    assert LanguageSet(codes, "target").find(requested, "tgt_lang") == expected


@pytest.mark.parametrize(
    ("codes", "requested"),
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
def test_an_unknown_language_is_refused_with_a_list_of_known_ones(codes: Sequence[str], requested: str) -> None:
    with pytest.raises(InvalidRequest, match=r"it has .*\bde, ") as refusal:
        LanguageSet(codes, "target").find(requested, "parameters.tgt_lang")
    assert refusal.value.param == "parameters.tgt_lang"


def test_error_messages_list_the_first_of_many_languages() -> None:
    codes = sorted({known.code for known in LANGUAGES.values()})
    with pytest.raises(InvalidRequest, match=rf"and {len(codes) - 40} more: see /v1/models") as refusal:
        LanguageSet(codes, "source").find("tlh", "x")
    assert len(str(refusal.value)) < 400


def test_every_public_code_is_accepted_in_a_request() -> None:
    for codes in (NLLB, MBART, MARIAN):
        languages = LanguageSet(codes, "source")
        names = languages.names()
        assert len(names) == len(codes)
        assert sorted(languages.find(code, "x") for code in names) == sorted(codes)
    assert LanguageSet(NLLB, "source").names()["zh-Hant"] == "Chinese (traditional)"
    assert LanguageSet(NLLB, "source").names()["zh"] == "Chinese"
    assert LanguageSet(MARIAN, "source").names() == {
        "de": "German", "fr": "French", "pt": "Portuguese", "pt-BR": "Portuguese (BR)", "zh": "Chinese",
        "zh-Hant": "Chinese (traditional)",
    }  # fmt: skip


def test_the_table_of_languages_is_consistent() -> None:
    rows = {known.code: known for known in LANGUAGES.values()}
    assert len(rows) > 200 and len({known.name for known in rows.values()}) == len(rows)
    assert all(code == code.lower() and 2 <= len(code) <= 3 for code in LANGUAGES)


def test_different_scripts_are_different_languages() -> None:
    assert same_language("en", "eng_Latn") and same_language("zh", "zho_Hans")
    assert not same_language("zho_Hans", "zho_Hant") and not same_language("pt", "pt_BR")


IDS = {"eng_Latn": 3, "fra_Latn": 4, "deu_Latn": 5}
MANY = TokenDirections(Translate(languages=IDS, source="prefix", default_source="eng_Latn"))
TO = TokenDirections(Translate(languages={"fr": 4, "de": 5}, reads=["en"], target="source_prefix"))
FROM_START = TokenDirections(
    Translate(languages=IDS, source="suffix", default_source="eng_Latn", target="decoder_start")
)
WORDS = PromptDirections({("en", "de"): "to German: ", ("en", "fr"): "to French: ", ("de", "en"): "to English: "})


@pytest.mark.parametrize(
    ("directions", "source", "target", "expected"),
    [
        (MANY, "de", "fr", Conditioning(src_lang_token_id=5, forced_bos_token_id=4)),
        (MANY, None, "fr", Conditioning(src_lang_token_id=3, forced_bos_token_id=4)),
        (
            FROM_START,
            "fr",
            "en",
            Conditioning(src_lang_token_id=4, src_lang_position="suffix", decoder_start_token_id=3),
        ),
        (TO, None, "de", Conditioning(source_prefix_token_id=5)),
        (TO, "en-GB", "fr", Conditioning(source_prefix_token_id=4)),
        (WORDS, "en", "fr", Conditioning(prompt="to French: ")),
        (WORDS, None, "en", Conditioning(prompt="to English: ")),
        (WORDS, "de", None, Conditioning(prompt="to English: ")),
        (SingleDirection(Translate(reads=["en"], writes=["deu"])), "eng", "de", Conditioning()),
        (SingleDirection(Translate()), None, None, Conditioning()),
    ],
)
def test_each_kind_of_model_gets_its_languages_as_tokens_or_prompt(
    directions: Directions, source: str | None, target: str | None, expected: Conditioning
) -> None:
    assert directions.conditioning(source, target, has_forced_bos=False) == expected


@pytest.mark.parametrize(
    ("directions", "source", "target", "words", "param"),
    [
        (MANY, "de", None, "target language is missing: set tgt_lang to one of", "tgt_lang"),
        (MANY, "de", "de-DE", "same language", "tgt_lang"),
        (MANY, None, "en", "default if src_lang is not set", "tgt_lang"),
        (MANY, "tlh", "de", "no source language 'tlh'; it has de, en, fr", "src_lang"),
        (TO, "fr", "de", "no source language", "src_lang"),
        (TO, None, "en", "no target language", "tgt_lang"),
        (WORDS, "de", "fr", "does not translate de to fr", "tgt_lang"),
        (WORDS, "en", "en", "same language", "tgt_lang"),
        (WORDS, "en", None, "set tgt_lang to one of", "tgt_lang"),
        (WORDS, None, None, "set tgt_lang to one of", "tgt_lang"),
        (SingleDirection(Translate(reads=["en"], writes=["de"])), "fr", None, "no source language", "src_lang"),
        (SingleDirection(Translate(reads=["en"], writes=["de"])), "en", "en", "no target language", "tgt_lang"),
        (SingleDirection(Translate()), "en", None, "leave out src_lang", "src_lang"),
    ],
)
def test_unknown_directions_are_refused(
    directions: Directions, source: str | None, target: str | None, words: str, param: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as refusal:
        directions.conditioning(source, target, has_forced_bos=False)
    assert refusal.value.param == f"parameters.{param}"


def test_forced_bos_token_id_replaces_the_target_language() -> None:
    assert MANY.conditioning("de", None, has_forced_bos=True) == Conditioning(src_lang_token_id=5)
