"""Write a decoder of a known shape with random weights, as transformers would: the source of the benchmark's packages.

Speed does not ask what a model has learned. There is no token that ends a text: every answer is as long as its job
asks.

Needs the export environment: ``.venv-export/bin/python -m benchmarks.decoder.sources gpt2 FOLDER``.
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
# Weights are drawn wider than usual: narrow random models write the same token for ever, and then no comparison of
# answers would prove anything.
CONFIGS: dict[str, PretrainedConfig] = {
    "gpt2": GPT2Config(initializer_range=0.05, **_NO_ENDS),  # the other defaults are the smallest GPT-2: 124M
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
