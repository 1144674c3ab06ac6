"""Writes an encoder-decoder with random weights in transformers' format, and the graphs that optimum makes of it.

The model has an end-of-sequence token as usual, which every side of a comparison must not generate.

It needs the export environment: ``.venv-export/bin/python -m benchmarks.seq2seq.sources t5-small FOLDER``, and
``... optimum SOURCE FOLDER`` for optimum's graphs of such a folder.
"""

import sys
from pathlib import Path

import torch
from optimum.onnxruntime import ORTModelForSeq2SeqLM
from tokenizers.processors import TemplateProcessing
from transformers import GenerationConfig, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from benchmarks.generation.vocabulary import SEED, byte_pairs
from onnx_models.exporting.optimum_exporter import quiet

SPECIAL = ("<pad>", "</s>", "<unk>")
"""They have the same ids as in T5: 0, 1, 2."""
MAX_TOKENS = 512
CONFIGS = {
    "t5-small": T5Config(),  # the defaults are T5-small: 60M parameters
    "t5-tiny": T5Config(vocab_size=768, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4),
}
FEED_FORWARD_SCALE = 30.0
"""Output and embedding share their weights. With the usual initialisation the token that a decoder reads is also the
most likely one to follow, so it would repeat its start token for ever, and a comparison of tokens would prove nothing.
Therefore the contribution of the layers is scaled up against the embedding."""


def write(name: str, folder: Path) -> None:
    """Write config, weights and tokenizer of one of ``CONFIGS`` into a folder."""
    config = CONFIGS[name]
    config.decoder_start_token_id = config.pad_token_id
    torch.manual_seed(SEED)
    model = T5ForConditionalGeneration(config)
    with torch.no_grad():
        for block in model.decoder.block:
            block.layer[-1].DenseReluDense.wo.weight.mul_(FEED_FORWARD_SCALE)
    special = {"pad_token_id": config.pad_token_id, "eos_token_id": config.eos_token_id}
    model.generation_config = GenerationConfig(decoder_start_token_id=config.pad_token_id, **special)
    model.save_pretrained(folder)
    tokenizer = byte_pairs(config.vocab_size, SPECIAL)
    pad, end, unknown = SPECIAL
    tokenizer.post_processor = TemplateProcessing(single=f"$A {end}", special_tokens=[(end, config.eos_token_id)])
    names = {"pad_token": pad, "eos_token": end, "unk_token": unknown}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **names).save_pretrained(folder)


def write_optimum(source: Path, folder: Path) -> None:
    """Write the graphs that optimum makes of a source with its default options."""
    with quiet():
        ORTModelForSeq2SeqLM.from_pretrained(source, export=True).save_pretrained(folder)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "optimum":
        write_optimum(Path(sys.argv[2]), Path(sys.argv[3]))
    elif len(sys.argv) == 3 and sys.argv[1] in CONFIGS:
        write(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(f"usage: python -m benchmarks.seq2seq.sources {{{','.join(CONFIGS)}}} FOLDER | optimum SOURCE FOLDER")
