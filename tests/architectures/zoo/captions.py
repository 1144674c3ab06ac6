"""Pictures to texts: ViT reads 16 by 16 pixels in 17 positions, GPT-2 or TrOCR writes."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    GPT2Config,
    TrOCRConfig,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
)

from tests.architectures.zoo.common import TINY, WIDE, byte_pairs, save
from tests.architectures.zoo.seq2seq import stir

_SIZE = 16
_WIDTH = 24
"""Of the decoders: other than the encoder's."""


def _write(folder: Path, decoder: Any) -> None:
    tokenizer = byte_pairs(start="<s>", end="</s>", special=["<s>", "<pad>", "</s>"])
    encoder = ViTConfig(**TINY, image_size=_SIZE, patch_size=4, initializer_range=WIDE)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    ids = {"decoder_start_token_id": 2, "pad_token_id": 1, "eos_token_id": 2}
    config.update(ids)
    model = VisionEncoderDecoderModel(config)
    model.generation_config = GenerationConfig(**ids, num_beams=4, max_length=30, length_penalty=2.0)
    stir(model)
    save(folder, model, tokenizer)
    size = {"height": _SIZE, "width": _SIZE}
    ViTImageProcessor(size=size, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.6, 0.7]).save_pretrained(folder)


def _vocabulary() -> int:
    return len(byte_pairs(start="<s>", end="</s>", special=["<s>", "<pad>", "</s>"]))


def vit_gpt2(folder: Path) -> None:
    """GPT-2 keeps no cache of what it sees."""
    torch.manual_seed(4)
    decoder = GPT2Config(
        n_embd=_WIDTH, n_layer=2, n_head=4, n_positions=40, vocab_size=_vocabulary(), initializer_range=WIDE,
        add_cross_attention=True, is_decoder=True, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    _write(folder, decoder)


def vit_trocr(folder: Path) -> None:
    """TrOCR with learned positions."""
    _trocr(folder, learned=True)


def vit_trocr_sinusoids(folder: Path) -> None:
    """TrOCR with sinusoids for positions, as its large models."""
    _trocr(folder, learned=False)


def _trocr(folder: Path, *, learned: bool) -> None:
    torch.manual_seed(10 if learned else 7)
    decoder = TrOCRConfig(
        d_model=_WIDTH, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=64, vocab_size=_vocabulary(),
        cross_attention_hidden_size=TINY["hidden_size"], max_position_embeddings=40, init_std=WIDE,
        use_learned_position_embeddings=learned, add_cross_attention=True, is_decoder=True,
        bos_token_id=0, pad_token_id=1, eos_token_id=2,
    )  # fmt: skip
    _write(folder, decoder)
