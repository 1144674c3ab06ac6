"""What of transformers' code is replaced while a slot graph is traced, and by what.

Two things for every model: projections become plain products, and rotations of queries and keys one operator each.
Then there are the architectures that don't use transformers' attention interface, or that make masks which the operator
does not want.
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
from onnx_models.slots.replacing import no_mask, plain_products, replaced

_ROTATION = "apply_rotary_pos_emb"
_TOLERANCE = 1e-4
"""Of the comparison of two ways to rotate; other ways than ours differ by whole numbers."""


def prepare(model: Any) -> None:
    """Give a model that transformers lets run without a cache one."""
    if model.config.model_type == "openai-gpt":
        add_cache(model)


@contextmanager
def adapted(model: Any, cache: SlotCache) -> Iterator[None]:
    """Replace what has to be while ``model`` is traced with ``cache``."""
    code = sys.modules[type(model).__module__]
    with ExitStack() as stack:
        stack.enter_context(plain_products())
        if hasattr(code, _ROTATION):
            stack.enter_context(replaced(code, _ROTATION, _rotation(getattr(code, _ROTATION))))
        adapt = _BY_ARCHITECTURE.get(model.config.model_type)
        for (owner, name), new in adapt(cache).items() if adapt else ():
            stack.enter_context(replaced(owner, name, new))
        yield


def _rotation(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that rotates queries and keys by an operator where that gives the original's numbers.

    Architectures differ in which numbers of a head they turn together and in how they write an angle twice. Each way
    that the operator knows is tried; a model that has another one is traced as it is.
    """
    tables: dict[int, tuple[Tensor, tuple[Table, Table]]] = {}  # the layers share one cosine, so they share its tables

    def rotated(query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, *more: Any, **options: Any) -> Any:
        if id(cos) not in tables:
            tables[id(cos)] = cos, _tables(cos, sin)
        halves, neighbours = tables[id(cos)][1]
        expected = original(query, key, cos, sin, *more, **options)
        for table, interleaved in ((halves, False), (halves, True), (neighbours, True)):
            found = tuple(rotate(states, table, interleaved=interleaved) for states in (query, key))
            if all(torch.allclose(*pair, atol=_TOLERANCE) for pair in zip(expected, found, strict=True)):
                return found
        return expected

    return rotated


def _tables(cos: Tensor, sin: Tensor) -> tuple[Table, Table]:
    """Make tables of the angles of this call's tokens out of [rows, tokens, rotated size], which has each angle twice.

    The operator wants a table of all positions and which of them each token has. This way the positions are the
    model's own, however it scales them, and no table limits them.

    Returns:
        The table if the second half repeats the first, and the table if each number is there twice in a row.
    """
    half = int(cos.shape[2]) // 2
    ids = torch.arange(cos.shape[0] * cos.shape[1]).reshape(cos.shape[:2])
    first, second = (
        Table(ids, *(angles[..., part].reshape(-1, half) for angles in (cos, sin)))
        for part in (slice(None, half), slice(None, None, 2))
    )
    return first, second


Replacements = Mapping[tuple[Any, str], Any]


def _opt(cache: SlotCache) -> Replacements:
    return {(modeling_opt.OPTDecoder, "_update_causal_mask"): no_mask}


def _ctrl(cache: SlotCache) -> Replacements:
    def attend(query: Tensor, key: Tensor, value: Tensor, *masks: Any) -> tuple[Tensor, None]:
        return cache.attend(None, query, key, value, None)[0].transpose(1, 2), None

    return {(modeling_ctrl, "scaled_dot_product_attention"): attend}


def _bloom(cache: SlotCache) -> Replacements:
    """Distances become a bias of the scores (ALiBi, Press et al., 2022).

    It grows with the key's position only: what the query's would take off is the same for all keys, so the softmax
    does not see it.
    """

    def distances(model: Any, mask: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
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
        (modeling_bloom.BloomModel, "build_alibi_tensor"): distances,
        (modeling_bloom.BloomAttention, "forward"): attention,
    }


_BY_ARCHITECTURE: Mapping[str, Callable[[SlotCache], Replacements]] = {"bloom": _bloom, "ctrl": _ctrl, "opt": _opt}
