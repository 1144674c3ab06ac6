"""What of transformers' code is replaced while an encoder-decoder's slot graph is traced, and by what.

Positions are the caller's, one for each row, so every table of positions is read by them. T5 does not use
transformers' attention interface: its attention is written anew.
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
from onnx_models.slots.replacing import no_mask, plain_products, replaced

_T5_SCALE = 1.0
"""T5 does not scale scores: its weights are drawn so that they need not be (Raffel et al., 2020)."""


class SourcePart(NamedTuple):
    """What makes keys, or values, of the encoder's output for a layer of the decoder."""

    project: Any
    """[rows, source, width] to [rows, source, heads x size]."""
    num_heads: int
    size: int
    """Of a head."""


def source_parts(model: Any) -> dict[str, SourcePart]:
    """Return them by the names of the buffers that they fill, in the order of the layers, each one's key first.

    Raises:
        NoSlotsError: the decoder reads its source in another way.
    """
    modules = list(model.get_decoder().modules())
    bart = [module.encoder_attn for module in modules if hasattr(module, "encoder_attn")]
    layers = [((each.k_proj, each.v_proj), each.num_heads) for each in bart]
    t5 = [module.EncDecAttention for module in modules if hasattr(module, "EncDecAttention")]
    layers += [((each.k, each.v), each.n_heads) for each in t5]
    if not layers:
        raise NoSlotsError("its decoder reads the source in a way of its own")
    return {
        f"past_key_values.{index}.encoder.{kind}": SourcePart(project, heads, project.out_features // heads)
        for index, (projections, heads) in enumerate(layers)
        for kind, project in zip(("key", "value"), projections, strict=True)
    }


@contextmanager
def adapted(model: Any, cache: PairCache) -> Iterator[None]:
    """Replace what has to be while the decoder of ``model`` is traced with ``cache``."""
    decoder = model.get_decoder()
    with ExitStack() as stack:
        stack.enter_context(plain_products())
        if hasattr(decoder, "_update_causal_mask"):
            stack.enter_context(replaced(decoder, "_update_causal_mask", no_mask))
        for module in decoder.modules():
            make = _BY_CLASS.get(type(module).__name__)
            if make:
                stack.enter_context(replaced(module, "forward", make(module, cache)))
        yield


def _table(module: Any, cache: PairCache) -> Callable[..., Tensor]:
    """Positions that were learned, or are sines in a table; the first rows may be of something else."""
    return lambda *arguments, **options: functional.embedding(
        cache.positions + getattr(module, "offset", 0), module.weight
    )


def _table_without_padding(module: Any, cache: PairCache) -> Callable[..., Tensor]:
    """M2M100's sines: padding has none."""

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
    """T5's attention: the first layer computes a bias of the scores from distances, and hands it to the others."""

    def heads(states: Tensor) -> Tensor:
        return states.unflatten(-1, (module.n_heads, module.key_value_proj_dim)).transpose(1, 2)

    query = heads(module.q(hidden_states))
    if key_value_states is not None:
        source = cache.cross_attention_cache
        mixed = source.attend(module.layer_idx, query, _T5_SCALE)
        return module.o(_flat(mixed)), None
    own = cache.self_attention_cache
    bias = _distances(module, cache) if position_bias is None else position_bias
    key, value = own.update(heads(module.k(hidden_states)), heads(module.v(hidden_states)), module.layer_idx)
    mixed, _ = own.attend(module, query, key, value, None, scaling=_T5_SCALE, bias=bias)
    return module.o(_flat(mixed)), bias


def _flat(mixed: Tensor) -> Tensor:
    """[rows, 1 token, heads, size] to [rows, 1 token, heads x size], by a shape that a tracer writes as a constant."""
    return mixed.reshape(-1, 1, mixed.shape[2] * mixed.shape[3])


def _distances(module: T5Attention, cache: PairCache) -> Tensor:
    """Return what a layer adds to its scores by distance, [rows, heads, 1 token, longest].

    All distances beyond a certain one share a number, so the buckets are looked up here and not in the graph.
    """
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
