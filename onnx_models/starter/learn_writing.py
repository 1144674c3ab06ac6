"""Train the starter decoder from random weights: a Llama of a million weights; seeded, on one core, some minutes.

Texts lie one behind the other in rows of as many tokens as the model has positions. What a rule decides counts fully in
the loss; what prompts say, which nobody can foretell, counts little.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from onnx_models.starter.bytepairs import make_tokenizer, save_for_transformers
from onnx_models.starter.learn import MAX_TOKENS, optimise
from onnx_models.starter.writing.texts import END_OF_MESSAGE, END_OF_TEXT, Span, training_text

_ROWS = 8
_LEARNING_RATE = 4e-3
_WEIGHT_OF_GIVEN = 0.1
_NUM_TOKENIZER_TEXTS = 20_000

Row = tuple[list[int], list[float]]
"""Token ids, and what each of them counts in the loss."""


def train_writer(folder: Path, seed: int, num_steps: int) -> None:
    """Train, and write weights, configs, tokenizer and chat template into ``folder``."""
    rng = random.Random(seed)  # noqa: S311 - texts, not secrets
    tokenizer = make_tokenizer("".join(span.text for span in training_text(rng)) for _ in range(_NUM_TOKENIZER_TEXTS))
    rows = _rows(tokenizer, rng)
    torch.manual_seed(seed)
    ends = [tokenizer.token_to_id(token) for token in (END_OF_TEXT, END_OF_MESSAGE)]
    model = LlamaForCausalLM(_config(tokenizer, ends))
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[0])

    def loss_of(step: int) -> Tensor:
        ids, weights = zip(*(next(rows) for _ in range(_ROWS)), strict=True)
        tokens, counts = torch.tensor(ids), torch.tensor(weights)[:, 1:]
        logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        return (losses * counts.flatten()).sum() / counts.sum()

    optimise(model, loss_of, num_steps, *_optimisers(model))
    model.save_pretrained(folder, safe_serialization=True)
    save_for_transformers(tokenizer, folder, MAX_TOKENS)


def _config(tokenizer: Tokenizer, ends: list[int]) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=ends,
        pad_token_id=ends[0],
    )


def _optimisers(model: nn.Module) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon (Jordan et al. 2024) for the matrices inside, which needs fewer texts, and AdamW for all else."""
    inside = [weights for name, weights in model.named_parameters() if ".layers." in name and weights.ndim == 2]
    chosen = {id(weights) for weights in inside}
    others = [weights for weights in model.parameters() if id(weights) not in chosen]
    return (
        torch.optim.Muon(inside, lr=_LEARNING_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=_LEARNING_RATE, weight_decay=0.01),
    )


def _rows(tokenizer: Tokenizer, rng: random.Random) -> Iterator[Row]:
    """Yield rows of `MAX_TOKENS`; each begins with a text; the last one is cut."""
    while True:
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) < MAX_TOKENS:
            for span in training_text(rng):
                tokens = tokenizer.encode(span.text).ids
                ids += tokens
                weights += [_weight(span)] * len(tokens)
        yield ids[:MAX_TOKENS], weights[:MAX_TOKENS]


def _weight(span: Span) -> float:
    return _WEIGHT_OF_GIVEN if span.given else 1.0
