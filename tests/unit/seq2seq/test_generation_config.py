"""The parameters of a request override the defaults of a package."""

from typing import Any

import pytest

from contracts.errors import InvalidRequest
from contracts.generation_parameters import GenerationParameters
from contracts.model_package.graphs import Generation
from contracts.model_package.package import PackageError
from tests.unit.seq2seq.fakes import EOS, FR, PAD, VOCABULARY, EchoCache, echo, tokenizer
from workers.runtime.decoding.request import Beams
from workers.seq2seq.generation_config import GenerationConfig, resolve_generation_config
from workers.seq2seq.model_config import ModelConfig
from workers.seq2seq.source_tokenizer import Conditioning

NEWS = Generation(
    eos_token_ids=[EOS], decoder_start_token_id=PAD, num_beams=4, length_penalty=2.0, early_stopping=True,
    min_length=56, max_length=142, no_repeat_ngram_size=3, forced_bos_token_id=7, forced_eos_token_id=EOS,
    suppress_tokens=[9], begin_suppress_tokens=[8], bad_words_ids=[[10, 11]],
)  # fmt: skip
PLAIN = Generation(eos_token_ids=[EOS], decoder_start_token_id=PAD)


def resolved(
    generation: Generation = PLAIN, conditioning: Conditioning | None = None, **parameters: Any
) -> GenerationConfig:
    model = ModelConfig(generation, tokenizer(), max_tokens=200, max_sequences=8, vocab_size=VOCABULARY)
    return resolve_generation_config(GenerationParameters(**parameters), model, conditioning or Conditioning(), "job")


def test_the_package_has_the_defaults() -> None:
    config = resolved(NEWS)
    assert config.beams == Beams(4, 1, 2.0, early_stopping=True)
    assert config.lengths.max_new_tokens(1000) == 141, "the start token is one of the 142"
    constraints = config.sampling.constraints
    assert (constraints.min_length, constraints.min_new_tokens, constraints.no_repeat_ngram_size) == (56, 0, 3)
    assert (constraints.forced_bos_token_id, constraints.forced_eos_token_ids) == (7, (EOS,))
    assert (constraints.suppress_tokens, constraints.begin_suppress_tokens) == ((9,), (8,))
    assert constraints.bad_words == ((10, 11),)


def test_the_request_overrides_the_package() -> None:
    config = resolved(
        NEWS, num_beams=2, num_return_sequences=2, length_penalty=0.5, early_stopping="never", min_new_tokens=3,
        max_length=20, no_repeat_ngram_size=0, forced_bos_token_id=6, forced_eos_token_id=[1, 2], suppress_tokens=[],
        begin_suppress_tokens=[], bad_words_ids=[[12]], repetition_penalty=1.5,
    )  # fmt: skip
    assert config.beams == Beams(2, 2, 0.5, early_stopping="never")
    assert config.lengths.max_new_tokens(1) == 19 and config.sampling.repetition_penalty == 1.5
    constraints = config.sampling.constraints
    assert (constraints.min_length, constraints.min_new_tokens, constraints.no_repeat_ngram_size) == (0, 3, 0)
    assert (constraints.forced_bos_token_id, constraints.forced_eos_token_ids) == (6, (1, 2))
    assert (constraints.suppress_tokens, constraints.begin_suppress_tokens) == ((), ())
    assert constraints.bad_words == ((12,),)


@pytest.mark.parametrize(
    ("parameters", "estimate", "expected"),
    [
        ({}, 50, 50),
        ({}, 5000, 199),
        ({"max_new_tokens": 120, "max_length": 3}, 50, 120),
        ({"max_length": 3}, 50, 2),
        ({"min_new_tokens": 80}, 50, 80),
        ({"min_length": 81}, 50, 80),
        ({"max_new_tokens": 199}, 50, 199),
        ({}, None, 199),
    ],
)
def test_max_new_tokens_without_a_package_default(
    parameters: dict[str, int], estimate: int | None, expected: int
) -> None:
    assert resolved(**parameters).lengths.max_new_tokens(estimate) == expected


def test_the_minimum_length_of_a_package_is_above_the_estimate_but_below_the_request() -> None:
    assert resolved(NEWS).lengths.max_new_tokens(10) == 55
    assert resolved(NEWS, max_new_tokens=5).lengths.max_new_tokens(10) == 5


@pytest.mark.parametrize(
    ("parameters", "words", "param"),
    [
        ({"max_new_tokens": 200}, "asks for 200 new tokens; the model generates at most 199", "max_new_tokens"),
        ({"max_length": 1}, "starts with 1", "max_length"),
        ({"min_new_tokens": 200}, "at least 200 new tokens; there can be at most 199", "min_new_tokens"),
        ({"min_length": 90, "max_new_tokens": 50}, "at least 89 new tokens; there can be at most 50", "min_length"),
        ({"num_beams": 9}, "TRIPTYCH_MAX_ROWS", "num_beams"),
        ({"num_return_sequences": 2}, "gives one answer only", "num_return_sequences"),
        ({"num_beams": 2, "temperature": 0.5}, "leave out temperature, or num_beams", "temperature"),
        ({"suppress_tokens": [1, VOCABULARY]}, f"token {VOCABULARY} does not exist", "suppress_tokens"),
        ({"bad_words_ids": [[1, 10**9]]}, "token 1000000000 does not exist", "bad_words_ids"),
        ({"forced_bos_token_id": VOCABULARY}, "does not exist", "forced_bos_token_id"),
        ({"forced_eos_token_id": [1, VOCABULARY]}, "does not exist", "forced_eos_token_id"),
        ({"begin_suppress_tokens": list(range(VOCABULARY))}, "No token is left", "suppress_tokens"),
    ],
)
def test_parameters_beyond_the_model_are_refused(parameters: dict[str, Any], words: str, param: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as refusal:
        resolved(**parameters)
    assert refusal.value.param == f"parameters.generate_parameters.{param}"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"num_return_sequences": 5}, "default is a search with 4 beams: set num_beams"),
        ({"stop": "x"}, "set num_beams to 1"),
    ],
)
def test_parameters_that_contradict_the_package_are_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        resolved(NEWS, **parameters)
    assert resolved(NEWS, num_beams=1, stop="x").stop_strings == ("x",)


def test_sampling_replaces_a_beam_search_of_the_package() -> None:
    for parameters in ({"do_sample": True}, {"temperature": 0.7}, {"top_p": 0.9}):
        config = resolved(NEWS, num_return_sequences=3, **parameters)
        assert config.beams is None and config.sampling.do_sample
    for parameters in ({"do_sample": False}, {"temperature": 0.0}, {"seed": 3}):
        config = resolved(NEWS, **parameters)
        assert config.beams is not None and not config.sampling.do_sample
    sampled = Generation(do_sample=True, num_beams=2)
    assert resolved(sampled).beams is None
    assert resolved(sampled, num_beams=3).beams == Beams(3) and not resolved(sampled, num_beams=3).sampling.do_sample


def test_bad_words_are_forbidden_with_and_without_a_space_before_them() -> None:
    words = resolved(NEWS, bad_words=["ab"]).sampling.constraints.bad_words
    a, b, space = (tokenizer().token_to_id(text) for text in "ab ")
    assert words == ((10, 11), (a, b), (space, a, b))


def test_the_target_language_is_the_start_token_or_the_first_token() -> None:
    conditioning = Conditioning(forced_bos_token_id=FR)
    assert resolved(conditioning=conditioning).sampling.constraints.forced_bos_token_id == FR
    assert resolved(conditioning=conditioning, forced_bos_token_id=FR).sampling.constraints.forced_bos_token_id == FR
    with pytest.raises(InvalidRequest, match="another language than tgt_lang"):
        resolved(conditioning=conditioning, forced_bos_token_id=FR + 1)
    assert resolved(conditioning=Conditioning(decoder_start_token_id=FR)).decoder_input_ids.tolist() == [FR]


def test_a_package_with_more_beams_than_the_cache_holds_is_refused() -> None:
    with pytest.raises(PackageError, match="TRIPTYCH_MAX_ROWS"):
        echo("summarize", EchoCache(max_slots=3), generation=NEWS)
    small_cache = EchoCache(max_slots=8)
    small_cache.capacity_tokens = 3 * (small_cache.max_tokens + small_cache.max_source_tokens)
    with pytest.raises(PackageError, match="room for 3 sequences"):
        echo("summarize", small_cache, generation=NEWS)
