"""Patches of transformers' code that are active while an encoder-decoder's slot graph is traced.

Positions are computed from the graph's inputs, one for each row, and every table of positions is indexed with them. T5
does not use transformers' attention interface, so its attention is replaced.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.m2m_100.modeling_m2m_100 import create_position_ids_from_input_ids
from transformers.models.t5.modeling_t5 import T5Attention

from onnx_models.seq2seq.slots.cache import PairCache
from onnx_models.slots.cache import NoSlotsError
from onnx_models.slots.patching import no_mask, patched, plain_matmuls

_T5_SCALE = 1.0
"""T5 does not scale scores: its initialization includes the factor (Raffel et al., 2020)."""


class SourceProjection(NamedTuple):
    """Computes the keys, or the values, of one decoder layer from the encoder's output."""

    project: Any
    """[rows, source, width] to [rows, source, heads x size]."""
    num_heads: int
    size: int
    """Of a head."""


def source_projections(model: Any) -> dict[str, SourceProjection]:
    """Return the projections by the names of the buffers that they fill, layer by layer, keys before values.

    Raises:
        NoSlotsError: the cross-attention of this decoder is not supported.
    """
    modules = list(model.get_decoder().modules())
    bart = [module.encoder_attn for module in modules if hasattr(module, "encoder_attn")]
    layers = [((each.k_proj, each.v_proj), each.num_heads) for each in bart]
    t5 = [module.EncDecAttention for module in modules if hasattr(module, "EncDecAttention")]
    layers += [((each.k, each.v), each.n_heads) for each in t5]
    if not layers:
        raise NoSlotsError("its cross-attention is neither BART's nor T5's")
    return {
        f"past_key_values.{index}.encoder.{part}": SourceProjection(project, heads, project.out_features // heads)
        for index, (projections, heads) in enumerate(layers)
        for part, project in zip(("key", "value"), projections, strict=True)
    }


@contextmanager
def adapted(model: Any, cache: PairCache) -> Iterator[None]:
    """Patch transformers' code while the decoder of ``model`` is traced with ``cache``."""
    decoder = model.get_decoder()
    with ExitStack() as stack:
        stack.enter_context(plain_matmuls())
        # Newer models leave the mask to the attention function; these build it in a method.
        if hasattr(decoder, "_update_causal_mask"):
            stack.enter_context(patched(decoder, "_update_causal_mask", no_mask))
        for module in decoder.modules():
            make = _BY_CLASS.get(type(module).__name__)
            if make:
                stack.enter_context(patched(module, "forward", make(module, cache)))
        yield


def _table(module: Any, cache: PairCache) -> Callable[..., Tensor]:
    """Return the forward pass of a table of learned or sinusoidal positions, whose first ``offset`` rows are unused."""
    return lambda *arguments, **options: functional.embedding(
        cache.positions + getattr(module, "offset", 0), module.weight
    )


def _table_without_padding(module: Any, cache: PairCache) -> Callable[..., Tensor]:
    """Return the forward pass of M2M100's sinusoidal positions, which gives padding a position of its own."""

    def embed(input_ids: Tensor, *arguments: Any, **options: Any) -> Tensor:
        ids = create_position_ids_from_input_ids(input_ids, module.padding_idx, cache.positions)
        return functional.embedding(ids, module.weights)

    return embed


def _t5(module: T5Attention, cache: PairCache) -> Callable[..., tuple[Tensor, Tensor | None]]:
    return partial(_attend_as_t5, module, cache)


def _attend_as_t5(
    module: T5Attention,
    cache: PairCache,
    hidden_states: Tensor,
    *,
    key_value_states: Tensor | None = None,
    position_bias: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute T5's attention: the first layer makes a bias of the scores from distances and passes it to the others."""

    def split_heads(states: Tensor) -> Tensor:
        return states.unflatten(-1, (module.n_heads, module.key_value_proj_dim)).transpose(1, 2)

    query = split_heads(module.q(hidden_states))
    if key_value_states is not None:
        source = cache.cross_attention_cache
        mixed = source.attend(module.layer_idx, query, _T5_SCALE)
        return module.o(_flat(mixed)), None
    own = cache.self_attention_cache
    bias = _distances(module, cache) if position_bias is None else position_bias
    key, value = own.update(
        split_heads(module.k(hidden_states)), split_heads(module.v(hidden_states)), module.layer_idx
    )
    mixed, _ = own.attend(module, query, key, value, None, scaling=_T5_SCALE, bias=bias)
    return module.o(_flat(mixed)), bias


def _flat(mixed: Tensor) -> Tensor:
    """Reshape [rows, 1 token, heads, size] to [rows, 1 token, heads x size].

    The shape has no length that is read from a tensor, so the tracer writes it as a constant.
    """
    return mixed.reshape(-1, 1, mixed.shape[2] * mixed.shape[3])


def _distances(module: T5Attention, cache: PairCache) -> Tensor:
    """Return the bias that is added to the scores for the distance, [rows, heads, 1 token, longest].

    T5 sorts distances into buckets with a logarithm. All distances above a maximum share the last bucket, so a table of
    the bias for each distance is finite, and the graph needs a lookup instead of the arithmetic.
    """
    # At this distance the logarithmic buckets end.
    largest = module.relative_attention_max_distance
    buckets = module._relative_position_bucket(
        -torch.arange(largest + 1),
        bidirectional=False,
        num_buckets=module.relative_attention_num_buckets,
        max_distance=largest,
    )
    table = module.relative_attention_bias.weight[buckets].detach()
    distances = cache.positions - torch.arange(cache.self_attention_cache.longest, dtype=torch.long)
    return functional.embedding(distances.clamp(0, largest), table).transpose(1, 2)[:, :, None]


_BY_CLASS: dict[str, Callable[[Any, PairCache], Callable[..., Any]]] = {
    **dict.fromkeys(("T5Attention", "MT5Attention"), _t5),
    "M2M100SinusoidalPositionalEmbedding": _table_without_padding,
    **dict.fromkeys(
        (
            "BartLearnedPositionalEmbedding",
            "BlenderbotLearnedPositionalEmbedding",
            "BlenderbotSmallLearnedPositionalEmbedding",
            "MBartLearnedPositionalEmbedding",
            "MarianSinusoidalPositionalEmbedding",
            "PegasusSinusoidalPositionalEmbedding",
        ),
        _table,
    ),
}
