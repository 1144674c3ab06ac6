"""Sampling of a request: its parameters, completed by the defaults of the package."""

import math
from typing import Any

import pytest

from contracts.generation import GenerateParameters
from contracts.model_package.graphs import DecoderSlots, Generation, SlotDecoder
from contracts.model_package.manifest import Limits, Manifest
from contracts.model_package.package import PackageError
from contracts.model_package.tasks import GenerateTask
from workers.decoder.parameters import sampling_of, unsupported_defaults
from workers.runtime.decoding.request import Constraints, Sampling
from workers.runtime.decoding.sampling.defaults import check_defaults, seed_of

MANIFEST = Manifest(
    name="tiny", family="decoder", task=GenerateTask(), source="tests", revision="1", licence="mit", files={},
    graph=DecoderSlots(decoder=SlotDecoder(vocabulary=16), generation=Generation()), limits=Limits(max_tokens=16),
)  # fmt: skip
GREEDY, SAMPLED = Generation(), Generation(do_sample=True, temperature=0.6, top_k=40, top_p=0.9, repetition_penalty=1.1)


def sampling(parameters: dict[str, Any], generation: Generation = GREEDY) -> Sampling:
    return sampling_of(GenerateParameters(**parameters), generation, seed=7, stream_number=2)


@pytest.mark.parametrize(
    ("parameters", "by_a_greedy_package", "by_a_sampling_package"),
    [
        ({}, False, True),
        ({"do_sample": False}, False, False),
        ({"do_sample": True}, True, True),
        ({"do_sample": False, "temperature": 2.0}, False, False),
        ({"temperature": 0.7}, True, True),
        ({"temperature": 0.0}, False, False),
        ({"temperature": 0.0, "top_p": 0.5}, False, False),
        ({"do_sample": True, "temperature": 0.0}, False, False),
        ({"top_k": 5}, True, True),
        ({"top_p": 0.0}, True, True),
        ({"min_p": 0.1}, True, True),
        ({"typical_p": 0.2}, True, True),
        ({"repetition_penalty": 1.2, "presence_penalty": 1.0}, False, True),
        ({"seed": 5}, False, True),
    ],
)
def test_the_request_decides_about_sampling_or_else_the_package(
    parameters: dict[str, Any], by_a_greedy_package: bool, by_a_sampling_package: bool
) -> None:
    assert sampling(parameters).do_sample is by_a_greedy_package
    assert sampling(parameters, SAMPLED).do_sample is by_a_sampling_package


def test_the_package_provides_what_the_request_does_not_set() -> None:
    assert sampling({}, SAMPLED) == Sampling(
        do_sample=True, temperature=0.6, top_k=40, top_p=0.9, repetition_penalty=1.1, seed=7, stream_number=2
    )
    given = {"temperature": 2.0, "top_k": 0, "top_p": 1.0, "min_p": 0.1, "typical_p": 0.3, "repetition_penalty": 1.0}
    more = {"frequency_penalty": -1.0, "presence_penalty": 0.5}
    assert sampling(given | more, SAMPLED) == Sampling(do_sample=True, seed=7, stream_number=2, **(given | more))


def test_temperature_0_causes_no_division_by_0() -> None:
    assert sampling({"temperature": 0.0}).temperature == 1.0


def test_the_constraints_of_the_package_are_applied() -> None:
    generation = Generation(
        suppress_tokens=[9, 3], bad_words_ids=[[4], [5, 6]], no_repeat_ngram_size=3, min_length=4,
        forced_bos_token_id=0, forced_eos_token_id=2, begin_suppress_tokens=[7],
    )  # fmt: skip
    assert sampling({}, generation).constraints == Constraints(
        suppress_tokens=(9, 3), bad_words=((4,), (5, 6)), no_repeat_ngram_size=3, min_length=4,
        forced_bos_token_id=0, forced_eos_token_ids=(2,), begin_suppress_tokens=(7,),
    )  # fmt: skip
    assert sampling({}).constraints == Constraints()


def test_seeds_of_either_sign_are_64_bits() -> None:
    for seed in (-(2**63), -1, 0, 2**63 - 1):
        got = sampling_of(GenerateParameters(seed=seed), GREEDY, seed=seed, stream_number=0).seed
        assert 0 <= got < 2**64 and (got - seed) % 2**64 == 0


def test_the_seed_of_a_job_is_the_same_for_each_attempt_and_valid_in_a_request() -> None:
    seeds = {seed_of(f"job{number}") for number in range(1000)}
    assert len(seeds) == 1000 and seed_of("job1") in seeds
    assert all(GenerateParameters(seed=seed).seed == seed for seed in seeds)
    assert min(seeds) >= 0 and max(seeds).bit_length() == 63


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": math.nan},
        {"temperature": -1.0},
        {"temperature": math.inf},
        {"top_p": 1.5},
        {"repetition_penalty": 0.0},
        {"suppress_tokens": [100]},
        {"begin_suppress_tokens": [3, 100]},
        {"bad_words_ids": [[1], [2, 100]]},
        {"bad_words_ids": [[]]},
        {"forced_bos_token_id": 100},
        {"forced_eos_token_id": 100},
    ],
)
def test_invalid_defaults_are_refused(wrong: dict[str, Any]) -> None:
    check_defaults(MANIFEST, SAMPLED, 100)
    with pytest.raises(PackageError, match=next(iter(wrong))):
        check_defaults(MANIFEST, Generation(**wrong), 100)


def test_unsupported_defaults_are_reported() -> None:
    assert unsupported_defaults(SAMPLED) == []
    assert unsupported_defaults(Generation(num_beams=4, no_repeat_ngram_size=3)) == ["num_beams"]
