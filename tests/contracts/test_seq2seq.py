"""Validation of seq2seq requests, and the JSON of their outputs."""

from typing import Any

import msgspec
import pytest

from contracts.cards import ModelCard
from contracts.generation_parameters import MAX_BAD_WORDS, MAX_BEAMS, GenerationParameters
from contracts.jobs import Usage
from contracts.seq2seq import (
    DenoiseOutput,
    DenoiseParameters,
    Edit,
    Text2TextParameters,
    TranslateOutput,
    TranslateParameters,
)
from contracts.tasks import TASKS

SEQ2SEQ = [spec for spec in TASKS.values() if spec.family == "seq2seq"]


def convert(fields: dict[str, Any], kind: Any = GenerationParameters) -> Any:
    """Encode and validate fields as gateway and worker do."""
    return msgspec.json.decode(msgspec.json.encode(fields), type=kind)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"num_beams": 4, "num_return_sequences": 4, "length_penalty": -0.5, "early_stopping": True},
        {"num_beams": MAX_BEAMS, "early_stopping": "never"},
        {"num_beams": 1, "do_sample": True, "num_return_sequences": 3, "seed": 7},
        {"num_beams": 1, "stop": ["."]},
        {"num_beams": None, "do_sample": True, "temperature": 0.5, "top_k": 3},
        {"min_new_tokens": 5, "max_new_tokens": 5, "min_length": 0, "max_length": 1},
        {"min_new_tokens": 9, "max_length": 4},  # different units: the worker compares them
        {"no_repeat_ngram_size": 0, "repetition_penalty": 1.5, "bad_words": ["a", "b c"], "bad_words_ids": [[1], [2]]},
        {"forced_bos_token_id": 0, "forced_eos_token_id": [1, 2], "suppress_tokens": [], "begin_suppress_tokens": [3]},
        {"forced_eos_token_id": 2},
    ],
)
def test_valid_generation_parameters_are_accepted(fields: dict[str, Any]) -> None:
    converted = convert(fields)
    assert {name: getattr(converted, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"min_new_tokens": 6, "max_new_tokens": 5}, "min_new_tokens to be at most max_new_tokens: 6 is more than 5"),
        ({"min_length": 2, "max_length": 1}, "min_length to be at most max_length"),
        ({"num_beams": 2, "do_sample": True}, "Beam search does not sample"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences to be at most num_beams"),
        ({"num_beams": 4, "stop": "."}, "leave out stop, or num_beams"),
        ({"num_beams": 1000}, "num_beams"),
        ({"num_beams": 0}, "num_beams"),
        ({"num_return_sequences": 0}, "num_return_sequences"),
        ({"num_return_sequences": 1000}, "num_return_sequences"),
        ({"num_return_sequences": None}, "num_return_sequences"),
        ({"early_stopping": "always"}, "early_stopping"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_length": 10**12}, "max_length"),
        ({"min_length": -1}, "min_length"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"length_penalty": 1e9}, "length_penalty"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size"),
        ({"bad_words": [""]}, "bad_words"),
        ({"bad_words": ["x"] * (MAX_BAD_WORDS + 1)}, "bad_words"),
        ({"bad_words_ids": [[]]}, "bad_words_ids"),
        ({"bad_words_ids": [[1, 2]] * 4097}, "bad_words_ids"),
        ({"forced_eos_token_id": [1] * 4097}, "forced_eos_token_id"),
        ({"suppress_tokens": [-1]}, "suppress_tokens"),
        ({"suppress_tokens": [1] * 5000}, "suppress_tokens"),
        ({"forced_bos_token_id": "en"}, "forced_bos_token_id"),
        ({"do_sample": 1}, "do_sample"),
        ({"penalty_alpha": 0.6}, "penalty_alpha"),
        ({"num_beam_groups": 2}, "num_beam_groups"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_generation_parameters_are_refused_by_name(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        convert(fields)


def test_long_texts_are_split_into_chunks_by_default() -> None:
    for spec in SEQ2SEQ:
        expected = "error" if spec.name == "text2text" else "chunk"
        assert spec.parameters().truncate == expected  # type: ignore[attr-defined]
        for policy in ("error", "right", "left"):
            assert convert({"truncate": policy}, spec.parameters).truncate == policy
    with pytest.raises(msgspec.ValidationError, match="truncate"):
        convert({"truncate": "chunk"}, Text2TextParameters)


def test_truncation_is_accepted_as_hugging_faces_name_for_truncate() -> None:
    assert TranslateParameters().truncation_policy == "chunk" and Text2TextParameters().truncation_policy == "error"
    assert TranslateParameters(truncation="do_not_truncate").truncation_policy == "error"
    assert TranslateParameters(truncation="only_first", truncate="left").truncation_policy == "right"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (TranslateParameters, {"src_lang": ""}),
        (TranslateParameters, {"tgt_lang": "x" * 65}),
        (TranslateParameters, {"tgt_lang": ["de", "fr"]}),
        (TranslateParameters, {"format": "xml"}),
        (TranslateParameters, {"target": "de"}),
        (TranslateParameters, {"truncation": "longest"}),
        (TranslateParameters, {"generate_parameters": None}),
        (TranslateParameters, {"generate_parameters": {"unknown": 1}}),
        (TranslateParameters, {"num_beams": 4}),
        (DenoiseParameters, {"src_lang": "en"}),
        (DenoiseParameters, {"format": "html"}),
        (DenoiseParameters, {"clean_up_tokenization_spaces": "yes"}),
    ],
)
def test_invalid_parameters_are_refused(kind: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        convert(fields, kind)


def test_every_output_has_a_text_and_a_finish_reason() -> None:
    for spec in SEQ2SEQ:
        (name,) = set(spec.output.__struct_encode_fields__) - {"finish_reason", "sequences", "edits"}
        fields: dict[str, Any] = {name: "x", "finish_reason": "eos_token"}
        fields |= {"edits": []} if spec.name == "denoise" else {}
        output = convert({**fields, "sequences": [fields]}, spec.output)
        assert output.text == output.sequences[0].text == "x"
        assert output.finish_reason == "eos_token"
        # A single answer has no list of sequences.
        assert msgspec.to_builtins(convert(fields, spec.output)) == fields


def test_edits_survive_serialization() -> None:
    output = DenoiseOutput(text="the", finish_reason="eos_token", edits=[Edit(1, 2, ["he"]), Edit(3, 0, [""])])
    assert msgspec.json.decode(msgspec.json.encode(output), type=DenoiseOutput) == output


def test_absent_chunks_and_languages_are_left_out() -> None:
    assert b"chunks" not in msgspec.json.encode(Usage(1, 2, 3, 0))
    assert msgspec.json.decode(msgspec.json.encode(Usage(1, 2, 3, 0, 4, 5)), type=Usage).chunks == 5
    old = b'{"name":"a","task":"embed","family":"encoder","revision":"1","licence":"","description":"","max_tokens":1}'
    assert msgspec.json.decode(old, type=ModelCard).source_languages is None
    assert TranslateOutput(text="x", finish_reason="length").sequences == []
