"""The whole decoding engine against transformers' ``generate``: greedy texts in batches with sampled ones."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.errors import TriptychError
from onnx_models.decoders.reference import ReferenceDecoder
from onnx_models.exporting.sources import open_source
from tests.architectures.cases.decoders import CASES
from tests.architectures.conftest import PackageOf
from tests.architectures.decoding.engines import CountingSink, Model
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from workers.runtime.decoding.engine import DecodingEngine
from workers.runtime.decoding.handle import GenerationHandle
from workers.runtime.decoding.request import GenerationRequest, Sampling

EVERY = [case.build.removeprefix("decoders:") for case in CASES if case.slots]
LENGTHS = (3, 40, 1, 17, 60, 8, 5)
NUM_TOKENS = (12, 9, 20, 5, 12, 1, 16)
FIRST_TEXT = 5
"""Ids below are special tokens."""


def prompts(vocabulary: int) -> list[list[int]]:
    rng = np.random.default_rng(4)
    return [rng.integers(FIRST_TEXT, vocabulary, length).tolist() for length in LENGTHS]


def greedy(prompt: list[int], num_tokens: int, penalty: float) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=np.array(prompt, np.int64),
        max_new_tokens=num_tokens,
        sampling=Sampling(repetition_penalty=penalty),
        logprobs=True,
    )


def sampled(prompt: list[int], seed: int) -> GenerationRequest:
    sampling = Sampling(do_sample=True, temperature=1.5, top_k=40, seed=seed)
    return GenerationRequest(
        prompt_ids=np.array(prompt, np.int64), max_new_tokens=15, sampling=sampling, logprobs=True, stream=True
    )


def tokens(handle: GenerationHandle) -> list[list[int]]:
    assert handle.wait(PATIENCE_S)
    return [[token.id for token in written.tokens] for [written] in handle.results()]


@pytest.mark.parametrize("cache", ["slots", "concat"])
@pytest.mark.parametrize("build", EVERY)
def test_texts_with_random_arrivals_equal_those_of_generate(
    build: str, cache: str, package_of: PackageOf, source_of: Callable[[str], Path]
) -> None:
    package = package_of(build, cache)
    reference = ReferenceDecoder(open_source(str(source_of(f"decoders:{build}"))))
    model, engine = Model(package, max_rows=4), DecodingEngine(CountingSink())
    chance = random.Random(build)
    asked = [
        (prompt, number, penalty)
        for penalty in (1.0, 1.3)
        for prompt, number in zip(prompts(model.cache.vocab_size), NUM_TOKENS, strict=True)
    ]
    chance.shuffle(asked)
    handles, neighbours = [], []
    for prompt, number, penalty in asked:
        handles.append(engine.submit(model, [greedy(prompt, number, penalty)], make_attempt()))
        if chance.random() < 0.5:
            neighbours.append((prompt, engine.submit(model, [sampled(prompt, 7), sampled(prompt, 8)], make_attempt())))
        if chance.random() < 0.4:
            handles[chance.randrange(len(handles))].wait(PATIENCE_S)
    for (prompt, number, penalty), handle in zip(asked, handles, strict=True):
        assert tokens(handle) == [reference.generate(prompt, number, penalty)]
    if cache == "concat":  # logits differ by 1e-4 between batches there, which can change sampled tokens
        return
    for prompt, handle in neighbours:
        isolated = [engine.submit(model, [sampled(prompt, seed)], make_attempt()) for seed in (7, 8)]
        assert tokens(handle) == [tokens(one)[0] for one in isolated]
        assert tokens(handle)[0] != tokens(handle)[1]


def test_a_text_is_the_decoding_of_its_tokens(package_of: PackageOf) -> None:
    model, engine = Model(package_of("llama"), max_rows=4), DecodingEngine(CountingSink())
    for prompt in prompts(model.cache.vocab_size):
        handle = engine.submit(model, [sampled(prompt, 3)], make_attempt())
        assert handle.wait(PATIENCE_S)
        [[written]] = handle.results()
        whole = model.tokenizer.decode([*prompt, *(token.id for token in written.tokens)])
        assert model.tokenizer.decode(prompt) + written.text == whole


def test_log_probabilities_equal_the_references(package_of: PackageOf, source_of: Callable[[str], Path]) -> None:
    model, engine = Model(package_of("qwen2"), max_rows=4), DecodingEngine(CountingSink())
    reference = ReferenceDecoder(open_source(str(source_of("decoders:qwen2"))))
    for prompt in prompts(model.cache.vocab_size):
        handle = engine.submit(model, [sampled(prompt, 3)], make_attempt())
        written = tokens(handle)[0]
        logits = reference.logits([*prompt, *written])[len(prompt) - 1 : -1]
        expected = torch.log_softmax(torch.tensor(logits), dim=-1)[torch.arange(len(written)), torch.tensor(written)]
        [[result]] = handle.results()
        np.testing.assert_allclose([token.logprob for token in result.tokens], expected.numpy(), atol=1e-4)


def test_a_token_outside_of_the_vocabulary_ends_only_its_job(package_of: PackageOf) -> None:
    model, engine = Model(package_of("gpt2"), max_rows=4), DecodingEngine(CountingSink())
    good, bad = prompts(model.cache.vocab_size)[0], [model.cache.vocab_size + 1000]
    before = engine.submit(model, [greedy(good, 30, 1.0)], make_attempt())
    culprit = engine.submit(model, [greedy(bad, 5, 1.0)], make_attempt())
    after = engine.submit(model, [greedy(good, 30, 1.0)], make_attempt())
    assert culprit.wait(PATIENCE_S)
    with pytest.raises(TriptychError):
        culprit.results()
    assert tokens(before) == tokens(after)
    assert model.cache.tokens_held == 0
