"""Train encoder-decoders from random weights to write one text for another; seeded, on one core.

Rows of about the same length share a batch. What a rule writes is what counts: every token of the second text alike.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from onnx_models.starter.learn import optimise

Pair = tuple[list[int], list[int]]
"""Token ids that are read, and token ids that are written, both with what stands around them."""
PADDING, START, END = "<pad>", "<s>", "</s>"
_NUM_SORTED = 32
"""Batches that are drawn together, so that rows of like length meet."""
_IGNORED = -100  # cross_entropy's own number for what does not count


def train_on_pairs(
    model: PreTrainedModel,
    draw: Callable[[], Pair],
    *,
    seed: int,
    num_steps: int,
    num_rows: int,
    learning_rate: float,
    padding: int,
) -> None:
    """Train a model on pairs that ``draw`` makes, ``num_rows`` a step and each seen once."""
    batches = _batches(draw, num_rows, random.Random(seed))  # noqa: S311 - an order, not secrets

    def loss_of(step: int) -> Tensor:
        reads, writes = zip(*next(batches), strict=True)
        ids, labels = _padded(reads, padding), _padded(writes, _IGNORED)
        logits = model(input_ids=ids, attention_mask=(ids != padding).long(), labels=labels).logits
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED)

    optimise(model, loss_of, num_steps, *optimisers(model, learning_rate))


def optimisers(model: nn.Module, learning_rate: float) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon (Jordan et al. 2024) for the matrices inside, which needs fewer texts, and AdamW for all else."""
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    inside = [weights for weights in model.parameters() if weights.ndim == 2 and id(weights) not in embeddings]
    chosen = {id(weights) for weights in inside}
    others = [weights for weights in model.parameters() if id(weights) not in chosen]
    return (
        torch.optim.Muon(inside, lr=learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=learning_rate, weight_decay=0.01),
    )


def save_pairs_model(
    model: PreTrainedModel, tokenizer: Tokenizer, folder: Path, max_tokens: int, **more: object
) -> None:
    """Write weights, config and tokenizer in the files that transformers reads; ``more`` goes to the tokenizer's."""
    model.save_pretrained(folder, safe_serialization=True)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PADDING,
        model_max_length=max_tokens,
        clean_up_tokenization_spaces=False,
        **more,
    )
    fast.save_pretrained(folder)


def _batches(draw: Callable[[], Pair], num_rows: int, rng: random.Random) -> Iterator[list[Pair]]:
    while True:
        pairs = sorted((draw() for _ in range(num_rows * _NUM_SORTED)), key=lambda pair: (len(pair[0]), len(pair[1])))
        batches = [pairs[start : start + num_rows] for start in range(0, len(pairs), num_rows)]
        rng.shuffle(batches)
        yield from batches


def _padded(rows: Sequence[Sequence[int]], filling: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filling] * (longest - len(row))] for row in rows])
