"""Write an encoder-decoder of a known shape with random weights, as transformers would, and what optimum makes of it.

Speed does not ask what a model has learned. Texts end by a token as usual, which every side of a comparison is told not
to write.

Needs the export environment: ``.venv-export/bin/python -m benchmarks.seq2seq.sources t5-small FOLDER``, and
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
"""With the ids that they have in T5: 0, 1, 2."""
MAX_TOKENS = 512
CONFIGS = {
    "t5-small": T5Config(),  # the defaults are T5-small: 60M parameters
    "t5-tiny": T5Config(vocab_size=768, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4),
}
FEED_FORWARD_SCALE = 30.0
"""The output's weights are those of the embedding. As they are drawn, what a decoder reads is likeliest to be what it
writes, and it would write its start token for ever; then no comparison of answers would prove anything. So what its
layers make of a token is drawn wider than the token itself."""


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
    """Write the graphs that optimum makes of a source when it is asked for nothing in particular."""
    with quiet():
        ORTModelForSeq2SeqLM.from_pretrained(source, export=True).save_pretrained(folder)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "optimum":
        write_optimum(Path(sys.argv[2]), Path(sys.argv[3]))
    elif len(sys.argv) == 3 and sys.argv[1] in CONFIGS:
        write(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(f"usage: python -m benchmarks.seq2seq.sources {{{','.join(CONFIGS)}}} FOLDER | optimum SOURCE FOLDER")
