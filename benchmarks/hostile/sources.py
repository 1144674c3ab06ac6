"""Writes a small ModernBERT of 8,192 positions with random weights in transformers' format.

Its weights are 9 MB, and attention over all positions takes gigabytes. It needs the export environment:
``.venv-export/bin/python -m benchmarks.hostile.sources FOLDER``.
"""

import sys
from pathlib import Path

import torch
from transformers import ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast

from benchmarks.generation.vocabulary import SEED, byte_pairs

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
NUM_TOKENS, MAX_TOKENS = 8192, 8192


def write(folder: Path) -> None:
    """Write config, weights and tokenizer into a folder."""
    torch.manual_seed(SEED)
    config = ModernBertConfig(
        vocab_size=NUM_TOKENS, hidden_size=192, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS, global_attn_every_n_layers=1, attn_implementation="sdpa",
        pad_token_id=0, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2,
    )  # fmt: skip
    ModernBertModel(config).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_pairs(NUM_TOKENS, SPECIAL), pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        cls_token="<s>", sep_token="</s>", unk_token="<unk>", model_max_length=MAX_TOKENS,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.hostile.sources FOLDER")
    write(Path(sys.argv[1]))
