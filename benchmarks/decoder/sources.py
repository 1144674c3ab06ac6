"""Writes a decoder with random weights in transformers' format: the source of the benchmark's packages.

There is no end-of-sequence token, so every text has the length that its job sets.

It needs the export environment: ``.venv-export/bin/python -m benchmarks.decoder.sources gpt2 FOLDER``.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

from benchmarks.generation.vocabulary import SEED, byte_pairs

_NO_ENDS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
# Weights have a larger variance than usual: with the usual one a random model repeats a single token for ever, and then
# a comparison of tokens would prove nothing.
CONFIGS: dict[str, PretrainedConfig] = {
    "gpt2": GPT2Config(initializer_range=0.05, **_NO_ENDS),  # the other defaults are the smallest GPT-2: 124M
    # The shape of SmolLM 135M.
    "llama": LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.04,
        **_NO_ENDS,
    ),
    "tiny": GPT2Config(
        vocab_size=768, n_positions=1024, n_embd=64, n_layer=2, n_head=4, initializer_range=0.3, **_NO_ENDS
    ),
}


def write(name: str, folder: Path) -> None:
    """Write config, weights and tokenizer of one of ``CONFIGS`` into a folder."""
    config = CONFIGS[name]
    torch.manual_seed(SEED)
    model = AutoModelForCausalLM.from_config(config)
    model.generation_config = GenerationConfig()
    model.save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_pairs(config.vocab_size))
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in CONFIGS:
        sys.exit(f"usage: python -m benchmarks.decoder.sources {{{','.join(CONFIGS)}}} FOLDER")
    write(sys.argv[1], Path(sys.argv[2]))
