"""The manifest's [generation] table has the defaults of transformers' ``generate``."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.model_package.graphs import Generation
from onnx_models.exporting.generation_config import generation_table
from onnx_models.exporting.sources import Source


def _source(folder: Path, config: dict[str, Any], generation: dict[str, Any] | None = None) -> Source:
    (folder / "config.json").write_text(json.dumps(config))
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return Source(folder, "test", "1", "none")


def test_a_generation_config_is_copied(tmp_path: Path) -> None:
    stated: dict[str, Any] = {
        "eos_token_id": [2, 4], "pad_token_id": 0, "do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95,
        "repetition_penalty": 1.05, "max_length": 64,
    }  # fmt: skip
    source = _source(tmp_path, {"model_type": "llama", "bos_token_id": 1, "eos_token_id": 7, "top_k": 9}, stated)

    expected = {**stated, "eos_token_ids": stated["eos_token_id"], "bos_token_id": 1}
    del expected["eos_token_id"]
    assert generation_table(source) == Generation(**expected)


def test_older_sources_have_it_in_their_config(tmp_path: Path) -> None:
    stated = {
        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 2, "forced_bos_token_id": 0,
        "forced_eos_token_id": 2, "num_beams": 4, "length_penalty": 2.0, "early_stopping": True,
        "no_repeat_ngram_size": 3, "min_length": 56, "max_length": 142, "bad_words_ids": [[1], [5, 6]],
    }  # fmt: skip
    facts = generation_table(_source(tmp_path, {"model_type": "bart", **stated}))

    assert facts.eos_token_ids == [2]
    assert {name: getattr(facts, name) for name in stated if name != "eos_token_id"} == {
        name: value for name, value in stated.items() if name != "eos_token_id"
    }


@pytest.mark.parametrize("word", [True, False, "never"])
def test_early_stopping_has_three_values(tmp_path: Path, word: object) -> None:
    facts = generation_table(_source(tmp_path, {"model_type": "bart"}, {"early_stopping": word, "num_beams": 4}))

    assert facts.early_stopping == word and type(facts.early_stopping) is type(word)


def test_null_and_minus_one_mean_none(tmp_path: Path) -> None:
    stated = {"pad_token_id": -1, "eos_token_id": 3, "top_k": None, "top_p": None, "suppress_tokens": None}
    facts = generation_table(_source(tmp_path, {"model_type": "llama", "bos_token_id": None}, stated))

    assert facts == Generation(eos_token_ids=[3], top_k=0)


def test_a_source_without_settings_has_the_defaults(tmp_path: Path) -> None:
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    facts = generation_table(_source(tmp_path, {"model_type": "gpt_neox", **dict.fromkeys(names)}))

    assert facts == Generation()
