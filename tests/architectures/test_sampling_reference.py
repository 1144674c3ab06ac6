"""Tokens are chosen as transformers' ``generate`` chooses them: the same tokens are left, as likely as there."""

import itertools

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

from workers.runtime.decoding.order import Sampling
from workers.runtime.decoding.penalties import Penalties
from workers.runtime.decoding.sampling import Sampler
from workers.runtime.decoding.warpers import weigh

Floats = npt.NDArray[np.float32]
PROMPT = np.array([5, 6, 7, 7, 30], np.int64)
VOCABULARY = 1500


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
    """Return each token's probability after all that ``generate`` does to the logits, in the order in which it does."""
    config = GenerationConfig(do_sample=True, **{"top_k": 0, **options})  # its own default is 50
    processors: LogitsProcessorList = model._get_logits_processor(
        config, input_ids_seq_length=len(PROMPT), device="cpu"
    )
    assert len(processors) == len(options)
    scores = processors(torch.tensor(PROMPT)[None], torch.tensor(logits, dtype=torch.float64)[None])
    found: npt.NDArray[np.float64] = scores.softmax(dim=-1)[0].numpy()
    return found


def ours(logits: Floats, sampling: Sampling) -> npt.NDArray[np.float64]:
    penalized = Penalties(sampling, PROMPT).apply(logits)
    ids, weights = weigh(penalized, sampling)
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
def test_the_same_tokens_are_left_with_the_same_probabilities(
    model: GPT2LMHeadModel, options: dict[str, object]
) -> None:
    for seed in range(4):
        logits = logits_of(seed)
        expected = reference(model, logits, **options)
        found = ours(logits, Sampling(do_sample=True, **options))  # type: ignore[arg-type]
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
        found = ours(logits, Sampling(do_sample=True, **options))  # type: ignore[arg-type]
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
def test_what_is_drawn_fits_the_reference_probabilities(model: GPT2LMHeadModel, options: dict[str, object]) -> None:
    """Pearson's chi-square over tokens that are expected at least 5 times; fixed seeds, so always the same figure."""
    logits, num_draws = logits_of(11, 60), 4000
    expected = reference(model, logits, **options) * num_draws
    sampling = [Sampling(do_sample=True, seed=1234, stream_number=number, **options) for number in range(num_draws)]  # type: ignore[arg-type]
    counts = np.bincount([Sampler(each, PROMPT).choose(logits).token_id for each in sampling], minlength=60)
    assert not counts[expected == 0].any()
    frequent = expected >= 5
    degrees = int(frequent.sum()) - 1
    statistic = ((counts - expected)[frequent] ** 2 / expected[frequent]).sum()
    # Four standard deviations above its mean.
    assert statistic < degrees + 4 * (2 * max(degrees, 1)) ** 0.5


@pytest.mark.parametrize("options", [{}, {"repetition_penalty": 1.4}, {"suppress_tokens": (9, 10, 11)}], ids=str)
def test_greedy_writes_the_tokens_of_generate(model: GPT2LMHeadModel, options: dict[str, object]) -> None:
    prompt = torch.tensor(PROMPT)[None]
    mask = torch.ones_like(prompt)
    answer = model.generate(
        prompt, attention_mask=mask, do_sample=False, max_new_tokens=40, eos_token_id=None, pad_token_id=0, **options
    )
    sampler = Sampler(Sampling(**options), PROMPT)  # type: ignore[arg-type]
    ids = PROMPT.tolist()
    for _ in range(40):
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].numpy()
        ids.append(sampler.choose(logits).token_id)
    assert ids == answer[0].tolist()
