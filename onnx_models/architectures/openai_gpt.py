"""The first GPT (Radford et al., 2018), which optimum does not know, with a key-value cache.

transformers' class has no cache and recomputes the whole text for every token. Here a new forward pass runs the same
modules, with the same weights, and keeps a cache.
"""

from types import MethodType
from typing import Any

import torch
from optimum.exporters.onnx.config import TextDecoderWithPositionIdsOnnxConfig
from optimum.exporters.onnx.model_patcher import ModelPatcher
from optimum.exporters.tasks import TasksManager
from optimum.utils import NormalizedTextConfig
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

_register = TasksManager.create_register("onnx", overwrite_existing=True)


def add_cache(model: Any) -> None:
    """Replace the ``forward`` of an ``OpenAIGPTLMHeadModel`` by one that takes and returns a cache."""
    # The class is older than the choice of an implementation; masks and attention functions depend on it.
    model.config._attn_implementation = "sdpa"
    for layer, block in enumerate(model.transformer.h):
        # Caches and attention functions need both; newer classes set them.
        block.attn.config, block.attn.layer_idx = model.config, layer
    model.forward = MethodType(_forward, model)


def _forward(
    self: Any,
    input_ids: Tensor,
    past_key_values: Cache | None = None,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> CausalLMOutputWithPast:
    body, cache = self.transformer, DynamicCache() if past_key_values is None else past_key_values
    past = cache.get_seq_length()
    positions = torch.arange(past, past + input_ids.shape[1], device=input_ids.device)
    position_ids = positions[None] if position_ids is None else position_ids
    hidden = body.tokens_embed(input_ids) + body.positions_embed(position_ids)
    mask = create_causal_mask(self.config, hidden, attention_mask, positions, cache)
    for block in body.h:
        hidden = block.ln_1(hidden + _attend(block.attn, hidden, mask, cache))
        hidden = block.ln_2(hidden + block.mlp(hidden))
    return CausalLMOutputWithPast(logits=self.lm_head(hidden), past_key_values=cache)


def _attend(attention: Any, hidden: Tensor, mask: Tensor | None, cache: Cache) -> Tensor:
    """Return the output of an attention block [rows, tokens, width]; its keys and values are appended to the cache."""
    query, key, value = (
        part.unflatten(-1, (attention.n_head, -1)).transpose(1, 2)
        for part in attention.c_attn(hidden).split(attention.split_size, dim=-1)
    )
    key, value = cache.update(key, value, attention.layer_idx)
    attend = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation]
    mixed, _ = attend(attention, query, key, value, mask)
    return attention.c_proj(mixed.flatten(-2))


class CachePatcher(ModelPatcher):
    """Adds a cache to the model, permanently: it is loaded for this export only."""

    def __init__(self, config: Any, model: Any, model_kwargs: dict[str, Any] | None = None) -> None:
        add_cache(model)
        super().__init__(config, model, model_kwargs)


@_register("openai-gpt", "text-generation-with-past")
class OpenAIGPTOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Export config of the first GPT."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="n_layer", num_attention_heads="n_head", hidden_size="n_embd"
    )
    _MODEL_PATCHER = CachePatcher
