"""The first GPT (Radford et al., 2018), which optimum does not know, with a key-value cache.

transformers' class keeps no cache and reads the whole text again for every token. Here the same modules, with the same
weights, are run by a forward pass that keeps one.
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
    """Give an ``OpenAIGPTLMHeadModel`` a ``forward`` that takes and returns a cache, as newer models have."""
    model.config._attn_implementation = "sdpa"
    for layer, block in enumerate(model.transformer.h):
        block.attn.config, block.attn.layer_idx = model.config, layer  # which newer classes set themselves
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
    places = torch.arange(past, past + input_ids.shape[1], device=input_ids.device)
    hidden = body.tokens_embed(input_ids) + body.positions_embed(places[None] if position_ids is None else position_ids)
    mask = create_causal_mask(self.config, hidden, attention_mask, places, cache)
    for block in body.h:
        hidden = block.ln_1(hidden + _attend(block.attn, hidden, mask, cache))
        hidden = block.ln_2(hidden + block.mlp(hidden))
    return CausalLMOutputWithPast(logits=self.lm_head(hidden), past_key_values=cache)


def _attend(attention: Any, hidden: Tensor, mask: Tensor | None, cache: Cache) -> Tensor:
    """Return the attention block's output [rows, tokens, width]; keys and values join those of the cache."""
    query, key, value = (
        part.unflatten(-1, (attention.n_head, -1)).transpose(1, 2)
        for part in attention.c_attn(hidden).split(attention.split_size, dim=-1)
    )
    key, value = cache.update(key, value, attention.layer_idx)
    attend = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation]
    mixed, _ = attend(attention, query, key, value, mask)
    return attention.c_proj(mixed.flatten(-2))


class CachePatcher(ModelPatcher):
    """Puts the forward pass with a cache in the place of transformers', for good: the model was loaded for this."""

    def __init__(self, config: Any, model: Any, model_kwargs: dict[str, Any] | None = None) -> None:
        add_cache(model)
        super().__init__(config, model, model_kwargs)


@_register("openai-gpt", "text-generation-with-past")
class OpenAIGPTOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Tensors and axes of the decoders that take positions."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="n_layer", num_attention_heads="n_head", hidden_size="n_embd"
    )
    _MODEL_PATCHER = CachePatcher
