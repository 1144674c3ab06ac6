"""Train the starter corrector: an LSTM-to-LSTM with attention, some 20 minutes."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from onnx_models.classic.networks.base import save
from onnx_models.classic.networks.lstm_attention import LstmAttention, LstmAttentionConfig
from onnx_models.starter.denoise.corpus import training_example
from onnx_models.starter.denoise.tokenizer import END, PAD, START, make_tokenizer
from onnx_models.starter.training.base import MAX_TOKENS, Training, muon_and_adamw

_MAX_BATCH_TOKENS = 1600
"""Of sources or targets, padding included."""
_NUM_SORTED = 1024
"""Pairs that are drawn together, so that rows of similar length meet."""
_MAX_ROW_TOKENS = 120
_BLENDS = (0.0, 0.25)
"""By round, the share of words that only look like known ones: what must be left alone is learned last. The learning
rate rises and falls anew in each round (warm restarts, Loshchilov and Hutter 2017, arXiv:1608.03983)."""

_Pair = tuple[list[int], list[int]]
"""Token ids of source and target."""


class CorrectorTraining(Training[list[_Pair]]):
    """Trains on sentences with errors and their corrections, each seen once."""

    learning_rate = 4e-3

    def __init__(self, seed: int, num_steps: int) -> None:
        super().__init__(seed, num_steps)
        self.tokenizer = make_tokenizer()

    def build_model(self) -> nn.Module:
        """Return the network."""
        config = LstmAttentionConfig(
            vocab_size=self.tokenizer.get_vocab_size(),
            embedding_size=64,
            hidden_size=144,
            attention_size=96,
            shortcut=True,
            pad_token_id=self.token_id(PAD),
            decoder_start_token_id=self.token_id(START),
            eos_token_id=self.token_id(END),
            max_tokens=MAX_TOKENS,
            max_new_tokens=MAX_TOKENS,
        )
        return LstmAttention(config)

    def optimizers(self, model: nn.Module) -> Sequence[torch.optim.Optimizer]:
        """Return Muon for all matrices but the embeddings, the output layer and the attention's energies."""
        # The output layer has a row for each token, like an embedding, and the energies are a single row.
        return muon_and_adamw(model, self.learning_rate, outer=("output", "energy"))

    def rounds(self) -> Sequence[Iterator[list[_Pair]]]:
        """Return a round without blended words, and one with them."""
        return [
            # Each round has a seed of its own, so that the second one has new sentences.
            self._batches(random.Random(self.seed + number), blends)  # noqa: S311 - sentences, not secrets
            for number, blends in enumerate(_BLENDS)
        ]

    def _batches(self, rng: random.Random, blends: float) -> Iterator[list[_Pair]]:
        """Yield batches of a limited number of tokens, endlessly and in random order."""
        while True:
            examples = [training_example(rng, blends) for _ in range(_NUM_SORTED)]
            pairs = [
                (self.tokenizer.encode(source).ids, self.tokenizer.encode(target).ids) for source, target in examples
            ]
            pairs = [pair for pair in pairs if max(map(len, pair)) <= _MAX_ROW_TOKENS]
            # By length, so that batches have little padding; the shuffle below mixes short and long batches.
            pairs.sort(key=lambda pair: sum(map(len, pair)))
            batches: list[list[_Pair]] = [[]]
            for pair in pairs:
                if (len(batches[-1]) + 1) * max(map(len, pair)) > _MAX_BATCH_TOKENS:
                    batches.append([])
                batches[-1].append(pair)
            rng.shuffle(batches)
            yield from batches

    def loss(self, model: nn.Module, batch: list[_Pair]) -> Tensor:
        """Return the cross entropy of the targets' tokens, by teacher forcing."""
        source, target = (
            pad_sequence([torch.tensor(row) for row in rows], batch_first=True) for rows in zip(*batch, strict=True)
        )
        previous = nn.functional.pad(target[:, :-1], (1, 0), value=model.config.decoder_start_token_id)
        # 0 is the id of padding, in sources and targets.
        logits = model(source, (source != 0).long(), previous)
        return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=0)

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write weights, config and tokenizer."""
        save(model, folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
