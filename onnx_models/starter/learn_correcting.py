"""Train the starter corrector from random weights: an LSTM-to-LSTM with attention; seeded, on one core, 20 minutes."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from onnx_models.classic.networks.base import save
from onnx_models.classic.networks.lstm_attention import LstmAttention, LstmAttentionConfig
from onnx_models.starter.learn import MAX_TOKENS, optimise
from onnx_models.starter.spelling.exercises import training_exercise
from onnx_models.starter.spelling.tokens import END, PAD, START, make_tokenizer

_BATCH_TOKENS = 1600
_POOL = 1024
_LONGEST = 120
_LEARNING_RATE = 4e-3
_STEPS_BETWEEN_SAVES = 500

_BLENDS = (0.0, 0.25)
"""Of each round, the share of words that only look like known ones: what must be left alone is learned last. In each
round the learning rate rises and falls anew (warm restarts, Loshchilov and Hutter 2017, arXiv:1608.03983)."""

Pair = tuple[list[int], list[int]]
"""Token ids of what was typed, and of what is right."""


def train_corrector(folder: Path, seed: int, num_steps: int) -> None:
    """Train, and write weights, config and tokenizer into ``folder``; now and then those of half-way too."""
    tokenizer = make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    network = LstmAttention(_config(tokenizer))
    for number, blends in enumerate(_BLENDS):
        batches = _batches(tokenizer, random.Random(seed + number), blends)  # noqa: S311 - sentences, not secrets
        optimise(network, _loss_of(network, batches, folder), num_steps // len(_BLENDS), *_optimisers(network))
        save(network, folder)


def _loss_of(network: LstmAttention, batches: Iterator[list[Pair]], folder: Path) -> Callable[[int], Tensor]:
    """Return what gives the loss of each step, on the next batch."""

    def loss_of(step: int) -> Tensor:
        if step % _STEPS_BETWEEN_SAVES == 0:
            save(network, folder)
        typed, right = zip(*next(batches), strict=True)
        source, target = _padded(typed), _padded(right)
        before = nn.functional.pad(target[:, :-1], (1, 0), value=network.config.decoder_start_token_id)
        logits = network(source, (source != 0).long(), before)
        return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=0)

    return loss_of


def _config(tokenizer: Tokenizer) -> LstmAttentionConfig:
    return LstmAttentionConfig(
        vocab_size=tokenizer.get_vocab_size(),
        embedding_size=64,
        hidden_size=144,
        attention_size=96,
        shortcut=True,
        pad_token_id=tokenizer.token_to_id(PAD),
        decoder_start_token_id=tokenizer.token_to_id(START),
        eos_token_id=tokenizer.token_to_id(END),
        max_tokens=MAX_TOKENS,
        max_new_tokens=MAX_TOKENS,
    )


def _optimisers(network: nn.Module) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon (Jordan et al. 2024) for the matrices inside, which needs fewer sentences, and AdamW for all else."""
    outside = ("embedding", "output", "energy", "bias")
    inside = {name for name, _ in network.named_parameters() if not any(part in name for part in outside)}
    chosen = [weights for name, weights in network.named_parameters() if name in inside]
    others = [weights for name, weights in network.named_parameters() if name not in inside]
    return (
        torch.optim.Muon(chosen, lr=_LEARNING_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=_LEARNING_RATE, weight_decay=0.01),
    )


def _batches(tokenizer: Tokenizer, rng: random.Random, blends: float) -> Iterator[list[Pair]]:
    """Yield pairs of token ids, typed and right, those of like length together; a batch has a most of tokens."""
    while True:
        exercises = [training_exercise(rng, blends) for _ in range(_POOL)]
        pairs = [(tokenizer.encode(typed).ids, tokenizer.encode(right).ids) for typed, right in exercises]
        pairs = [pair for pair in pairs if max(map(len, pair)) <= _LONGEST]
        pairs.sort(key=lambda pair: sum(map(len, pair)))
        batches: list[list[Pair]] = [[]]
        for pair in pairs:
            if (len(batches[-1]) + 1) * max(map(len, pair)) > _BATCH_TOKENS:
                batches.append([])
            batches[-1].append(pair)
        rng.shuffle(batches)
        yield from batches


def _padded(rows: tuple[list[int], ...]) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
