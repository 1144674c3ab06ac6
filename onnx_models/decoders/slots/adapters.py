"""Patches of transformers' code that are active while a decoder's slot graph is traced.

For every model, projections become plain matrix products, and each rotation of queries or keys becomes one operator.
Three architectures need more: they do not use transformers' attention interface, or build masks that the operator
replaces.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.models.bloom import modeling_bloom
from transformers.models.ctrl import modeling_ctrl
from transformers.models.opt import modeling_opt

from onnx_models.architectures.openai_gpt import add_cache
from onnx_models.slots.cache import SlotCache
from onnx_models.slots.operators import Table, rotate
from onnx_models.slots.patching import no_mask, patched, plain_matmuls

_ROTATION = "apply_rotary_pos_emb"
_TOLERANCE = 1e-4
"""Largest difference between two rotations of the example; with another layout they differ by far more."""


def prepare(model: Any) -> None:
    """Add a cache to the first GPT, the one supported model that has none in transformers."""
    if model.config.model_type == "openai-gpt":
        add_cache(model)


@contextmanager
def adapted(model: Any, cache: SlotCache) -> Iterator[None]:
    """Patch transformers' code while ``model`` is traced with ``cache``."""
    # Layers find the function by its name in their own module, so it is replaced there.
    code = sys.modules[type(model).__module__]
    with ExitStack() as stack:
        stack.enter_context(plain_matmuls())
        if hasattr(code, _ROTATION):
            stack.enter_context(patched(code, _ROTATION, _rotation(getattr(code, _ROTATION))))
        adapt = _BY_ARCHITECTURE.get(model.config.model_type)
        for (owner, name), new in adapt(cache).items() if adapt else ():
            stack.enter_context(patched(owner, name, new))
        yield


def _rotation(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that rotates queries and keys by an operator if that gives the original's numbers.

    Architectures differ in which numbers of a head form a pair and in how they repeat an angle for it. Every layout of
    the operator is tried on the traced example; a model with another layout is traced as it is.
    """
    # All layers get the same cosine tensor, so they share its tables. The tensor is kept with them: a freed one's id
    # could come back.
    tables: dict[int, tuple[Tensor, tuple[Table, Table]]] = {}

    def rotated(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *more: Any, **options: Any) -> Any:
        if id(cos) not in tables:
            tables[id(cos)] = cos, _tables(cos, sin)
        halves, interleaved_pairs = tables[id(cos)][1]
        # The original is always run: its result is what the operator is compared with, and the fallback.
        expected = original(query, key, cos, sin, *more, **options)
        for table, interleaved in ((halves, False), (halves, True), (interleaved_pairs, True)):
            found = tuple(rotate(states, table, interleaved=interleaved) for states in (query, key))
            if all(torch.allclose(*pair, atol=_TOLERANCE) for pair in zip(expected, found, strict=True)):
                return found
        return expected

    return rotated


def _tables(cos: Tensor, sin: Tensor) -> tuple[Table, Table]:
    """Make tables of the angles of this call's tokens from [rows, tokens, rotated size], which has each angle twice.

    The operator takes a table of all positions and the position of each token. Here the table has an entry for each
    token of the call instead: so the angles are the model's own, however it scales positions, and no table limits them.

    Returns:
        The table for angles whose second half repeats the first, and the one for angles that are repeated in place.
    """
    half = int(cos.shape[2]) // 2
    ids = torch.arange(cos.shape[0] * cos.shape[1]).reshape(cos.shape[:2])
    first, second = (
        Table(ids, *(angles[..., part].reshape(-1, half) for angles in (cos, sin)))
        for part in (slice(None, half), slice(None, None, 2))
    )
    return first, second


Patches = Mapping[tuple[Any, str], Any]


def _opt(cache: SlotCache) -> Patches:
    # OPT builds a mask even where an attention function masks by itself, and a mask is refused.
    return {(modeling_opt.OPTDecoder, "_update_causal_mask"): no_mask}


def _ctrl(cache: SlotCache) -> Patches:
    """CTRL calls a function of its own module instead of transformers' attention interface."""

    def attend(query: Tensor, key: Tensor, value: Tensor, *masks: Any) -> tuple[Tensor, None]:
        # CTRL wants heads before tokens, the other way round than transformers' attention interface.
        return cache.attend(None, query, key, value, None)[0].transpose(1, 2), None

    return {(modeling_ctrl, "scaled_dot_product_attention"): attend}


def _bloom(cache: SlotCache) -> Patches:
    """BLOOM computes attention in its own class, with a bias of the scores by distance (ALiBi, Press et al., 2022).

    The bias depends on the key's position only: the query's would subtract the same number from all its scores, which
    does not change their softmax.
    """

    def position_bias(model: Any, mask: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
        # transformers has no function for the slopes alone. The bias at position 1 is the slope itself.
        slopes = modeling_bloom.build_alibi_tensor(torch.ones(1, 2), num_heads, dtype)[:, :, 1]
        bias = slopes[None, :, None] * torch.arange(cache.longest, dtype=dtype)
        return bias.expand(1, num_heads, mask.shape[1], cache.longest)

    def attention(
        self: Any, hidden: Tensor, residual: Tensor, alibi: Tensor, *arguments: Any, **options: Any
    ) -> tuple[Tensor, None]:
        query, key, value = self._reshape(self.query_key_value(hidden))
        key, value = cache.update(key, value, self.layer_idx)
        mixed, _ = cache.attend(self, query, key, value, None, scaling=self.inv_norm_factor, bias=alibi)
        return self.dense(mixed.flatten(-2)) + residual, None

    return {
        (modeling_bloom.BloomModel, "_update_causal_mask"): no_mask,
        (modeling_bloom.BloomModel, "build_alibi_tensor"): position_bias,
        (modeling_bloom.BloomAttention, "forward"): attention,
    }


_BY_ARCHITECTURE: Mapping[str, Callable[[SlotCache], Patches]] = {"bloom": _bloom, "ctrl": _ctrl, "opt": _opt}
