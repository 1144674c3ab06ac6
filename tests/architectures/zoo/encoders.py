"""Text encoders."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from tests.architectures.zoo.common import TINY, WIDE, pieces, save


def bert(folder: Path) -> None:
    """Token vectors, no pooler."""
    torch.manual_seed(1)
    tokenizer = pieces()
    config = BertConfig(**TINY, vocab_size=len(tokenizer), max_position_embeddings=64, initializer_range=WIDE)
    save(folder, BertModel(config, add_pooling_layer=False), tokenizer)


def bert_classify(folder: Path) -> None:
    """Three labels."""
    torch.manual_seed(2)
    tokenizer = pieces()
    config = BertConfig(
        **TINY, vocab_size=len(tokenizer), max_position_embeddings=64, initializer_range=WIDE, num_labels=3
    )
    save(folder, BertForSequenceClassification(config), tokenizer)
