"""What the starters share that write one text for another: batches of pairs, the loss, special tokens.

Rows of similar length share a batch. Every token of the target counts alike in the loss.
"""

import random
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from onnx_models.starter.training.base import Training, save_for_transformers

Pair = tuple[list[int], list[int]]
"""Token ids of source and target, special tokens included."""
PADDING, START, END = "<pad>", "<s>", "</s>"
_NUM_SORTED = 32
"""Batches that are drawn together, so that rows of similar length meet."""
_IGNORED = -100  # the label that cross_entropy ignores


class Seq2SeqTraining(Training[list[Pair]]):
    """Trains an encoder-decoder of transformers on pairs that are drawn one by one, each seen once."""

    learning_rate = 4e-3
    num_rows: ClassVar[int]
    """Pairs of a batch."""
    tokenizer_options: ClassVar[dict[str, Any]] = {}
    """Saved with the tokenizer, in addition to its special tokens."""

    @abstractmethod
    def draw_pair(self) -> Pair:
        """Return the next pair."""

    def rounds(self) -> Sequence[Iterator[list[Pair]]]:
        """Return one round of endless batches, in random order."""
        return [self._batches(random.Random(self.seed))]  # noqa: S311 - an order, not secrets

    def _batches(self, rng: random.Random) -> Iterator[list[Pair]]:
        num_pairs = self.num_rows * _NUM_SORTED
        while True:
            pairs = sorted((self.draw_pair() for _ in range(num_pairs)), key=lambda pair: tuple(map(len, pair)))
            batches = [pairs[start : start + self.num_rows] for start in range(0, num_pairs, self.num_rows)]
            # Sorted by length, they would always come from the shortest to the longest.
            rng.shuffle(batches)
            yield from batches

    def loss(self, model: nn.Module, batch: list[Pair]) -> Tensor:
        """Return the cross entropy of the targets' tokens."""
        padding = self.token_id(PADDING)
        sources, targets = zip(*batch, strict=True)
        ids, labels = _padded(sources, padding), _padded(targets, _IGNORED)
        # The model needs the labels to make the decoder's inputs, which are the labels shifted by one.
        logits = model(input_ids=ids, attention_mask=(ids != padding).long(), labels=labels).logits
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=_IGNORED)

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write weights, configs and tokenizer."""
        save_for_transformers(
            model,
            self.tokenizer,
            folder,
            bos_token=START,
            eos_token=END,
            pad_token=PADDING,
            # The clean-up would remove the space that French has before a question mark.
            clean_up_tokenization_spaces=False,
            **self.tokenizer_options,
        )


def _padded(rows: Sequence[Sequence[int]], filling: int) -> Tensor:
    # On the right: the first token of each row has position 0, in training as when the model is served.
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[filling] * (longest - len(row))] for row in rows])
