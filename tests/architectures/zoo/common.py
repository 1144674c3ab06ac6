"""Tokenizers and weights that the tiny models share."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BertTokenizerFast, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from onnx_models.starter.training.word_pieces import make_tokenizer

SENTENCES = ["the quick brown fox jumps over the lazy dog", "how do i reset my password", "i would buy it again"] * 5
WIDE = 0.3
"""``initializer_range`` of every config."""
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def pieces() -> BertTokenizerFast:
    """A WordPiece tokenizer with BERT's special tokens."""
    return BertTokenizerFast(tokenizer_object=make_tokenizer(SENTENCES), model_max_length=64)


def byte_pairs(
    *, start: str | None = None, end: str | None = None, special: list[str], pad: str = "<pad>", **names: str
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer; ``special`` tokens get the first ids, ``names`` are such as ``mask_token``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    around = [name for name in (start, end) if name]
    if around:
        ids = [(name, tokenizer.token_to_id(name)) for name in around]
        single = " ".join([*([start] if start else []), "$A", *([end] if end else [])])
        tokenizer.post_processor = processors.TemplateProcessing(
            single=single, pair=f"{single} $B{f' {end}' if end else ''}", special_tokens=ids
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, bos_token=start, eos_token=end, model_max_length=64, **names
    )


def save(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> None:
    """Write a model, with noise on every weight so that biases are not zero, and its tokenizer."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
