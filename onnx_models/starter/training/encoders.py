"""What the starter encoders share: a BERT of three layers, its tokenizer, batches and optimizer."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertTokenizerFast

from onnx_models.starter.training.base import MAX_TOKENS, Batch, Training, adamw, save_for_transformers
from onnx_models.starter.training.word_pieces import make_tokenizer


class EncoderTraining(Training[Batch]):
    """Trains a BERT on a corpus that is known before the first step."""

    learning_rate = 1e-3

    def __init__(self, seed: int, num_steps: int, corpus: Iterable[str]) -> None:
        super().__init__(seed, num_steps)
        self.tokenizer = make_tokenizer(corpus)

    def optimizers(self, model: nn.Module) -> Sequence[torch.optim.Optimizer]:
        """Return AdamW for all weights."""
        return [adamw(list(model.parameters()), self.learning_rate)]

    def config(self, **options: Any) -> BertConfig:
        """Return the model's config; ``options`` are added to it."""
        return BertConfig(
            vocab_size=self.tokenizer.get_vocab_size(),
            hidden_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=512,
            max_position_embeddings=MAX_TOKENS,
            hidden_dropout_prob=0.2,
            **options,
        )

    def inputs(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return ``input_ids`` and ``attention_mask``, int64 [texts, tokens]."""
        # On the right, because BERT numbers positions from the beginning of a row.
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        rows = self.tokenizer.encode_batch(texts)
        return {
            "input_ids": torch.tensor([row.ids for row in rows]),
            "attention_mask": torch.tensor([row.attention_mask for row in rows]),
        }

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write weights, config and tokenizer; the tokenizer neither pads nor truncates."""
        # Settings that are saved with a tokenizer would apply when the package is served.
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        save_for_transformers(model, self.tokenizer, folder, BertTokenizerFast, do_lower_case=True)
