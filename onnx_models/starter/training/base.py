"""One way to train every starter: from random weights, seeded, on one core, so that each run gives the same weights."""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

MAX_TOKENS = 256
"""Longest row of every starter, special tokens included."""
_WEIGHT_DECAY = 0.01
_WARM_UP = 0.1
_STEPS_BETWEEN_LINES = 50

Batch = TypeVar("Batch")


class Training(ABC, Generic[Batch]):
    """A training run. Subclasses have the corpus, the tokenizer, the model and the loss.

    Texts are drawn from ``rng`` or from the seed, weights and dropout from torch's generator. The order of the draws
    is part of a starter: another order gives other weights.
    """

    learning_rate: ClassVar[float]
    """What the schedule reaches after the warm-up; from there it falls to nothing."""
    tokenizer: Tokenizer

    def __init__(self, seed: int, num_steps: int) -> None:
        self.seed, self.num_steps = seed, num_steps
        self.rng = random.Random(seed)  # noqa: S311 - texts, not secrets

    @abstractmethod
    def build_model(self) -> nn.Module:
        """Return the model with random weights."""

    @abstractmethod
    def rounds(self) -> Sequence[Iterator[Batch]]:
        """Return the batches of each round. The rounds share the steps; the schedule begins anew with each."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of a batch, a float32 scalar."""

    @abstractmethod
    def save(self, model: nn.Module, folder: Path) -> None:
        """Write weights, config and tokenizer into a folder, in the files that the export reads."""

    def token_id(self, token: str) -> int:
        """Return the id of a special token.

        Raises:
            KeyError: the tokenizer lacks it.
        """
        id_ = self.tokenizer.token_to_id(token)
        if id_ is None:
            raise KeyError(token)
        return id_

    def optimizers(self, model: nn.Module) -> Sequence[torch.optim.Optimizer]:
        """Return optimizers that share the model's parameters between them."""
        return muon_and_adamw(model, self.learning_rate)

    def run(self, folder: Path) -> None:
        """Train, and write weights, config and tokenizer into ``folder``."""
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(1)  # threads add in another order: other last digits, and in the end other weights
        # The weights are drawn first, and dropout draws from what follows, so nothing may draw in between.
        torch.manual_seed(self.seed)
        model = self.build_model()
        rounds = self.rounds()
        for batches in rounds:
            self._train(model, batches, self.num_steps // len(rounds))
        self.save(model, folder)

    def _train(self, model: nn.Module, batches: Iterator[Batch], num_steps: int) -> None:
        optimizers = self.optimizers(model)
        schedules = [
            # By its defaults it also moves the momentum (AdamW's first beta) from 0.95 to 0.85 and back.
            torch.optim.lr_scheduler.OneCycleLR(
                optimizer, self.learning_rate, total_steps=num_steps, pct_start=_WARM_UP
            )
            for optimizer in optimizers
        ]
        model.train()
        for step in range(1, num_steps + 1):
            loss = self.loss(model, next(batches))
            model.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for each in (*optimizers, *schedules):
                each.step()
            if step % _STEPS_BETWEEN_LINES == 0:
                print(f"step {step} of {num_steps}: loss {loss.item():.4f}", flush=True)


def adamw(weights: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """Return AdamW for these weights."""
    return torch.optim.AdamW(weights, lr=learning_rate, weight_decay=_WEIGHT_DECAY)


def muon_and_adamw(
    model: nn.Module, learning_rate: float, *, outer: Sequence[str] = ()
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon (Jordan et al. 2024) for the inner matrices, which needs fewer texts, and AdamW for all else.

    Args:
        model: whose embeddings, vectors and scalars go to AdamW.
        learning_rate: of both.
        outer: parts of the names of matrices that go to AdamW too.
    """
    # By identity, since an output layer may share its weights with an embedding, under another name.
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    inner = [
        weights
        for name, weights in model.named_parameters()
        if weights.ndim == 2 and id(weights) not in embeddings and not any(part in name for part in outer)
    ]
    chosen = {id(weights) for weights in inner}
    others = [weights for weights in model.parameters() if id(weights) not in chosen]
    # Scaled to the size of AdamW's updates, so that one learning rate and one schedule serve both.
    muon = torch.optim.Muon(inner, lr=learning_rate, weight_decay=_WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw")
    return muon, adamw(others, learning_rate)


def save_for_transformers(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    folder: Path,
    tokenizer_class: type[PreTrainedTokenizerFast] = PreTrainedTokenizerFast,
    **options: Any,
) -> None:
    """Write a model and its tokenizer in the files that transformers reads; ``options`` are those of the tokenizer."""
    model.save_pretrained(folder, safe_serialization=True)
    fast = tokenizer_class(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **options)
    fast.save_pretrained(folder)
