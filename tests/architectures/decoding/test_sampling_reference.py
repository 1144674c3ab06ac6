"""Sampling equals that of transformers' ``generate``: the same tokens remain, with the same probabilities."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import (
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)

from tests.architectures.decoding.generate_options import sampling_of
from workers.runtime.decoding.request import GenerationRequest, Sampling
from workers.runtime.decoding.sampling.logits_processors import LogitsProcessors
from workers.runtime.decoding.sampling.penalties import Penalties
from workers.runtime.decoding.sampling.sampler import Sampler
from workers.runtime.decoding.sampling.warpers import sampling_weights

Floats = npt.NDArray[np.float32]
PROMPT = np.array([5, 6, 7, 7, 30], np.int64)
VOCABULARY = 1500
NUM_TOKENS = 40


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=64,
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=2,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=1,
    )
    return GPT2LMHeadModel(config).eval()


def reference(model: GPT2LMHeadModel, logits: Floats, **options: object) -> npt.NDArray[np.float64]:
    """Return each token's probability after all processors and warpers of ``generate``, in their order."""
    config = GenerationConfig(do_sample=True, **{"top_k": 0, **options})  # transformers' default is 50
    processors: LogitsProcessorList = model._get_logits_processor(
        config, input_ids_seq_length=len(PROMPT), device="cpu"
    )
    assert len(processors) == len(options)
    scores = processors(torch.tensor(PROMPT)[None], torch.tensor(logits, dtype=torch.float64)[None])
    found: npt.NDArray[np.float64] = scores.softmax(dim=-1)[0].numpy()
    return found


def request_of(sampling: Sampling) -> GenerationRequest:
    return GenerationRequest(prompt_ids=PROMPT, max_new_tokens=NUM_TOKENS, sampling=sampling)


def ours(logits: Floats, sampling: Sampling) -> npt.NDArray[np.float64]:
    processed = LogitsProcessors(request_of(sampling)).apply(logits)
    ids, weights = sampling_weights(processed, sampling)
    found = np.zeros(len(logits))
    found[slice(None) if ids is None else ids] = weights
    return found / found.sum()


def logits_of(seed: int, num: int = VOCABULARY) -> Floats:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(num) * rng.choice([0.3, 2.0, 6.0])).astype(np.float32)


GRID = {
    "repetition_penalty": [1.3, 0.8],
    "suppress_tokens": [(2, 30, 900)],
    "temperature": [0.25, 0.7, 4.0],
    "top_k": [1, 40, 400, 10_000],
    "top_p": [0.1, 0.5, 0.95, 0.9999],
    "min_p": [0.02, 0.6],
    "typical_p": [0.1, 0.5, 0.95],
}
ALONE = [{name: value} for name, values in GRID.items() for value in values]
PAIRS = [
    {first: a, second: b}
    for first, second in itertools.combinations(GRID, 2)
    for a, b in itertools.product(GRID[first][:2], GRID[second][:2])
]
ALL = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*(values[:2] for values in GRID.values()))]


@pytest.mark.parametrize("options", [{}, *ALONE, *PAIRS, *ALL], ids=str)
def test_the_same_tokens_remain_with_the_same_probabilities(model: GPT2LMHeadModel, options: dict[str, object]) -> None:
    for seed in range(4):
        logits = logits_of(seed)
        expected = reference(model, logits, **options)
        found = ours(logits, sampling_of(options, do_sample=True))
        np.testing.assert_array_equal(found > 0, expected > 0)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("penalty", [0.3, 0.99, 1.2, 7.0])
def test_the_repetition_penalty_is_equal_to_the_bit(penalty: float) -> None:
    logits = logits_of(9)
    expected = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor(PROMPT)[None], torch.tensor(logits)[None])[0]
    found = Penalties(Sampling(repetition_penalty=penalty), PROMPT).apply(logits)
    np.testing.assert_array_equal(found, expected.numpy())


def test_a_vocabulary_of_real_size(model: GPT2LMHeadModel) -> None:
    for seed, options in enumerate(
        ({"top_k": 50}, {"top_p": 0.9}, {"top_p": 0.999}, {"min_p": 0.01}, {"typical_p": 0.9})
    ):
        logits = logits_of(seed, 50_257)
        expected = reference(model, logits, **options)
        found = ours(logits, sampling_of(options, do_sample=True))
        np.testing.assert_array_equal(found > 0, expected > 0)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.7, "top_k": 40, "top_p": 0.9, "repetition_penalty": 1.3},
        {"typical_p": 0.8, "min_p": 0.001},
    ],
    ids=str,
)
def test_sampled_frequencies_match_the_probabilities(model: GPT2LMHeadModel, options: dict[str, object]) -> None:
    """Pearson's chi-square over tokens expected at least 5 times. Seeds are fixed, so the figure is always the same."""
    logits, num_draws = logits_of(11, 60), 4000
    expected = reference(model, logits, **options) * num_draws
    sampling = [sampling_of(options, do_sample=True, seed=1234, stream_number=number) for number in range(num_draws)]
    counts = np.bincount([Sampler(request_of(each)).sample(logits).token_id for each in sampling], minlength=60)
    assert not counts[expected == 0].any()
    frequent = expected >= 5
    degrees = int(frequent.sum()) - 1
    statistic = ((counts - expected)[frequent] ** 2 / expected[frequent]).sum()
    # Four standard deviations above its mean.
    assert statistic < degrees + 4 * (2 * max(degrees, 1)) ** 0.5


GREEDY: list[dict[str, Any]] = [
    {}, {"repetition_penalty": 1.4}, {"suppress_tokens": [9, 10, 11]}, {"no_repeat_ngram_size": 2}, {"min_length": 20},
    {"bad_words_ids": [[9], [30, 14], [20, 3, 5]]}, {"min_new_tokens": 30}, {"forced_eos_token_id": 7},
    {"begin_suppress_tokens": list(range(40))},
    {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "min_length": 30, "forced_eos_token_id": 7},
]  # fmt: skip


@pytest.mark.parametrize("ends", [[], [50, 12], [*range(20, 40)]], ids=len)
@pytest.mark.parametrize("options", GREEDY, ids=str)
def test_greedy_search_equals_generate(model: GPT2LMHeadModel, options: dict[str, Any], ends: list[int]) -> None:
    prompt = torch.tensor(PROMPT)[None]
    mask = torch.ones_like(prompt)
    limits = {"max_new_tokens": NUM_TOKENS, "eos_token_id": ends or None, "pad_token_id": 0}
    answer = model.generate(prompt, attention_mask=mask, do_sample=False, **limits, **options)
    request = GenerationRequest(
        prompt_ids=PROMPT,
        max_new_tokens=NUM_TOKENS,
        sampling=sampling_of(options),
        eos_token_ids=frozenset(ends),
    )
    sampler, ids = Sampler(request), PROMPT.tolist()
    while len(ids) < request.max_length and (len(ids) == len(PROMPT) or ids[-1] not in ends):
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].numpy()
        ids.append(sampler.sample(logits).token_id)
    assert ids == answer[0].tolist()
