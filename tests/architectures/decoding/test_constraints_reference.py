"""Constraints change the same logits as transformers' processors, in the same way."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

from tests.architectures.decoding.generate_options import sampling_of
from workers.runtime.decoding.request import GenerationRequest
from workers.runtime.decoding.sampling.logits_processors import LogitsProcessors

NUM_TOKENS = 40
ENDS = [1, 4]
CONSTRAINTS: dict[str, Any] = {
    "repetition_penalty": 1.3,
    "no_repeat_ngram_size": 2,
    "bad_words_ids": [[3], [1], [2, 5], [5, 0, 2], [0, 0, 1, 5]],
    "min_length": 12,
    "min_new_tokens": 9,
    "forced_bos_token_id": 5,
    "forced_eos_token_id": [4, 2],
    "suppress_tokens": [6, 2],
    "begin_suppress_tokens": [0, 5],
}
TOGETHER = [
    {name: CONSTRAINTS[name] for name in names}
    for num in (1, 2, len(CONSTRAINTS))
    for names in itertools.combinations(CONSTRAINTS, num)
] + [{"no_repeat_ngram_size": size} for size in (1, 3, 4)]


@pytest.mark.parametrize("prompt", [[5], [5, 0, 2, 0, 0, 3]], ids=len)
@pytest.mark.parametrize("options", TOGETHER, ids=lambda options: "+".join(map(str, options)))
def test_the_same_logits_are_changed_at_every_step(options: dict[str, Any], prompt: list[int]) -> None:
    """The tokens are independent of the logits, so that forbidden n-grams and words occur too."""
    if "min_new_tokens" in options:  # `generate` does so before anything else
        options = options | {"min_length": len(prompt) + options["min_new_tokens"]}
    config = GenerationConfig(**options, max_length=len(prompt) + NUM_TOKENS)
    config._eos_token_tensor = torch.tensor(ENDS)
    model = GPT2LMHeadModel(GPT2Config(n_embd=2, n_layer=0, n_head=1, vocab_size=8))  # only its processors are used
    reference = model._get_logits_processor(config, input_ids_seq_length=len(prompt), device="cpu")
    assert len(reference) == len(options)
    request = GenerationRequest(
        prompt_ids=np.array(prompt),
        max_new_tokens=NUM_TOKENS,
        sampling=sampling_of(options),
        eos_token_ids=frozenset(ENDS),
    )
    processors, text = LogitsProcessors(request), list(prompt)
    rng = np.random.default_rng(5)
    for token in rng.integers(0, 6, NUM_TOKENS).tolist():
        logits = rng.standard_normal(8).astype(np.float32)
        expected = reference(torch.tensor([text]), torch.tensor(logits)[None])[0]
        np.testing.assert_array_equal(processors.apply(logits), expected.numpy())
        processors.add(token)
        text.append(token)
