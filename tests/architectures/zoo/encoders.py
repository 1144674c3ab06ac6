"""Text encoders: one config for each architecture, and the heads that all of them have."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    RobertaConfig,
)

from tests.architectures.zoo import encoder_tokenizers as tokenizers
from tests.architectures.zoo.common import TINY, WIDE, save

MAX_TOKENS = 64
_HEADS = {
    "embed": AutoModel,
    "classify": AutoModelForSequenceClassification,
    "token-classify": AutoModelForTokenClassification,
    "question-answer": AutoModelForQuestionAnswering,
    "fill-mask": AutoModelForMaskedLM,
}


class _Encoder(NamedTuple):
    config: type[PretrainedConfig]
    tokenizer: Callable[[], PreTrainedTokenizerBase]
    options: dict[str, Any]


_ENCODERS = {
    "bert": _Encoder(BertConfig, tokenizers.bert, TINY),
    "albert": _Encoder(AlbertConfig, tokenizers.albert, TINY | {"embedding_size": 16}),
    "distilbert": _Encoder(
        DistilBertConfig, tokenizers.distilbert, {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
    ),
    "electra": _Encoder(ElectraConfig, tokenizers.electra, TINY | {"embedding_size": 16}),
    # Positions are counted from behind the padding id, which is 1.
    "roberta": _Encoder(
        RobertaConfig, tokenizers.roberta, TINY | {"max_position_embeddings": MAX_TOKENS + 2, "type_vocab_size": 1}
    ),
    "mpnet": _Encoder(MPNetConfig, tokenizers.mpnet, TINY | {"max_position_embeddings": MAX_TOKENS + 2}),
    # A window that is shorter than the rows, and layers on both sides of the one that sees everything.
    "modernbert": _Encoder(
        ModernBertConfig,
        tokenizers.modernbert,
        TINY | {"num_hidden_layers": 4, "global_attn_every_n_layers": 3, "local_attention": 8},
    ),
}


def text_encoder(folder: Path, architecture: str, task: str) -> None:
    """Write one architecture with the head of one task: three labels for texts and tokens."""
    torch.manual_seed(zlib.crc32(f"{architecture} {task}".encode()))
    encoder = _ENCODERS[architecture]
    tokenizer = encoder.tokenizer()
    options: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": MAX_TOKENS,
        "initializer_range": WIDE,
        "num_labels": 2 if task == "question-answer" else 3,  # where an answer begins and where it ends
        **{name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")},
        **encoder.options,
    }
    save(folder, _HEADS[task].from_config(encoder.config(**options)), tokenizer)
