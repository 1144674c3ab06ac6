"""Transformer-XL, in transformers' deprecated class: it still writes what the original code reads."""

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from transformers.models.deprecated.transfo_xl import TransfoXLConfig, TransfoXLLMHeadModel

from tests.architectures.zoo.common import WIDE
from tests.architectures.zoo.words import word_tokenizer


def transformer_xl(folder: Path) -> None:
    """Like the published model: clusters of rarer words get narrower vectors, all tokens see equally many."""
    write(folder, div_val=4, same_length=True, clamp_len=10)


def write(folder: Path, **options: Any) -> None:
    """Write a tiny one with a word-level tokenizer; ``options`` are fields of the config."""
    torch.manual_seed(40)
    tokenizer = word_tokenizer()
    settings = {
        "vocab_size": 90, "cutoffs": [30, 60], "d_model": 32, "d_embed": 32, "n_head": 4, "d_head": 8, "d_inner": 64,
        "n_layer": 2, "mem_len": 12, "init_std": WIDE, "proj_init_std": WIDE,
    }  # fmt: skip
    config = TransfoXLConfig(**settings | options, eos_token_id=tokenizer.token_to_id("</s>"))
    model = TransfoXLLMHeadModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    config.save_pretrained(folder)
    # Not `save_pretrained`: it refuses weights that layers share when `untie_r` is off.
    weights = {name: weight.clone().contiguous() for name, weight in model.state_dict().items()}
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
