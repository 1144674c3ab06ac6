"""Decoders: two layers each, and grouped queries, sliding windows and partial rotation where the architecture has them.

Windows are shorter than the test prompts, and head sizes are not hidden size / heads where a config may say so, since
these are the facts that an exporter gets wrong without anybody noticing.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    CTRLConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GenerationConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OpenAIGPTConfig,
    OPTConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

from tests.architectures.zoo.common import WIDE, byte_pairs, save

MAX_TOKENS = 96
"""Positions of every decoder."""
WINDOW = 8
"""Tokens that a sliding window sees: fewer than the exporter traces the graph with."""
LONG_WINDOW = 40
"""More than those, and fewer than the longest test prompts have; a tracer could take either case for the only one."""
SPECIAL = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"]
_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": MAX_TOKENS,
    "initializer_range": WIDE,
    "tie_word_embeddings": False,
}
_GATED: dict[str, Any] = {"intermediate_size": 96, "num_key_value_heads": 2}
_ALTERNATING = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
_CHAT = "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}<|assistant|>"


def _decoder(config_class: Any, seed: int, *, start: bool = False, chat: str | None = None, **sizes: Any) -> Any:
    """Return a function that writes such a decoder; ``start``: its tokenizer begins every text with ``<s>``."""

    def write(folder: Path) -> None:
        torch.manual_seed(seed)
        tokenizer = byte_pairs(start="<s>" if start else None, special=SPECIAL)
        tokenizer.eos_token = "</s>"
        tokenizer.chat_template = chat
        ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        config = config_class(**{**_SIZES, "vocab_size": len(tokenizer), **ids, **sizes})
        model = AutoModelForCausalLM.from_config(config)
        model.generation_config = GenerationConfig(
            **{**ids, "eos_token_id": [2, 4]},
            do_sample=True,
            temperature=0.6,
            top_k=20,
            top_p=0.95,
            repetition_penalty=1.05,
        )
        save(folder, model, tokenizer)

    return write


Write = Callable[[Path], None]
openai_gpt: Write = _decoder(OpenAIGPTConfig, 1)
gpt2: Write = _decoder(GPT2Config, 2, tie_word_embeddings=True)
ctrl: Write = _decoder(CTRLConfig, 3, dff=96)
llama: Write = _decoder(LlamaConfig, 4, start=True, chat=_CHAT, **_GATED)
mistral: Write = _decoder(MistralConfig, 5, start=True, sliding_window=LONG_WINDOW, **_GATED)
qwen2: Write = _decoder(Qwen2Config, 6, chat=_CHAT, **_GATED)
qwen3: Write = _decoder(Qwen3Config, 7, head_dim=24, **_GATED)
gemma: Write = _decoder(GemmaConfig, 8, start=True, head_dim=24, **_GATED)
gemma2: Write = _decoder(Gemma2Config, 9, start=True, head_dim=24, query_pre_attn_scalar=24, **_GATED, **_ALTERNATING)
gemma3: Write = _decoder(
    Gemma3TextConfig, 10, start=True, head_dim=24, query_pre_attn_scalar=24, **_GATED, **_ALTERNATING
)
phi3: Write = _decoder(Phi3Config, 11, start=True, original_max_position_embeddings=MAX_TOKENS, **_GATED)
phi3_long: Write = _decoder(
    Phi3Config,
    15,
    start=True,
    original_max_position_embeddings=MAX_TOKENS // 2,
    rope_scaling={"type": "longrope", "short_factor": [1.1] * 8, "long_factor": [1.0 + i for i in range(8)]},
    **_GATED,
)
opt: Write = _decoder(OPTConfig, 12, start=True, ffn_dim=96, word_embed_proj_dim=64, init_std=WIDE)
gpt_neox: Write = _decoder(GPTNeoXConfig, 13, intermediate_size=96, rotary_pct=0.25)
bloom: Write = _decoder(BloomConfig, 14)
