"""wav2vec 2.0 for CTC: letters over waveforms."""

import json
from pathlib import Path
from typing import Any

import torch
from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from tests.architectures.zoo.common import TINY, WIDE, save

LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ"]


def wav2vec2(folder: Path) -> None:
    """Like the base model: one group norm in the convolutions, norms after each layer."""
    write(folder)


def write(folder: Path, *, tokenizer: dict[str, Any] | None = None, **options: Any) -> None:
    """Write a tiny one; ``options`` are fields of the config, ``tokenizer`` arguments of the tokenizer."""
    torch.manual_seed(41)
    settings = TINY | {
        "vocab_size": len(LETTERS), "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4, "initializer_range": WIDE, "pad_token_id": 0,
    }  # fmt: skip
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**settings | options))
    with torch.no_grad():
        # Wider still, so that each recording reads differently.
        model.lm_head.weight.mul_(3)
    save(folder, model)
    (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(LETTERS)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), **tokenizer or {}).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False).save_pretrained(folder)
