"""transformers' side of a slot graph: the cache that hands buffers through, and the attention that reads them.

A model that uses transformers' attention interface calls `SlotCache.update` with a layer's new keys and values and
then the registered attention function, which is `SlotCache.attend`. The first notes the layer and returns what it was
given; the second writes the one operator that appends and attends.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers import AttentionInterface, Cache

from onnx_models.errors import ExportError
from onnx_models.slots.operators import Attention, Past, group_query_attention

IMPLEMENTATION = "slots"
"""The name under which transformers finds ``attend``."""
_MEANINGLESS = frozenset(
    {"dropout", "head_mask", "is_causal", "position_ids", "cache_position", "use_cache", "output_attentions"}
)
"""What models hand to an attention function and a causal one needs not know."""


class NoSlotsError(ExportError):
    """This model can't have a slot graph; the message says why. Its cache must be the exporter's own."""


class SlotCache(Cache):
    """A layer's buffers for each layer, and which of them the new tokens go to."""

    is_compileable = False

    def __init__(self, buffers: Sequence[tuple[Tensor, Tensor]], last: Tensor, longest: Tensor) -> None:
        """Keep each layer's keys and values, and what `Past` says of all of them."""
        super().__init__(layers=[])
        self.longest = longest
        self.presents: list[tuple[Tensor, Tensor] | None] = [None] * len(buffers)
        """Each layer's buffers after its attention."""
        self._pasts = [Past(key, value, last, longest) for key, value in buffers]
        self._layer: int | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, cache_kwargs: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Return the new keys and values as they are; the attention that follows is that of ``layer_idx``."""
        self._layer = layer_idx
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 0: positions are the caller's, and masks are the operator's."""
        return 0

    def attend(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        *,
        scaling: float | None = None,
        sliding_window: int | None = None,
        softcap: float | None = None,
        bias: Tensor | None = None,
        **more: Any,
    ) -> tuple[Tensor, None]:
        """Attend for the layer ``module``, as transformers' attention interface has it.

        ``query`` is [rows, heads, tokens, size]; ``key`` and ``value`` are [rows, kv_heads, tokens, size], of the new
        tokens only. ``scaling`` of None is 1 / sqrt(size), or what GPT-2's options say; ``sliding_window`` counts the
        tokens that a query sees; scores are squeezed between ± ``softcap``; ``bias``, [1, heads, tokens, longest past +
        tokens], is added to them. A mask, or anything else that changes what attention computes, is a NoSlotsError.

        Returns:
            The mix [rows, tokens, heads, size], and no weights.
        """
        _check_plain(module, attention_mask, key, value, more)
        layer, self._layer = self._layer, None
        if layer is None:
            raise NoSlotsError("a layer attends to something else than its own past")
        size = int(query.shape[3])
        scale = scaling or _default_scale(module, layer, size)
        attention = Attention(
            int(query.shape[1]), int(key.shape[1]), size, float(scale), sliding_window or -1, softcap or 0.0
        )
        mixed, keys, values = group_query_attention(query, key, value, self._pasts[layer], attention, bias=bias)
        self.presents[layer] = keys, values
        return mixed, None


def _default_scale(module: Any, layer: int, size: int) -> float:
    """Return what scores are multiplied by where the caller does not say, with the options of GPT-2's config."""
    scale = size**-0.5 if getattr(module, "scale_attn_weights", True) else 1.0
    return scale / (layer + 1) if getattr(module, "scale_attn_by_inverse_layer_idx", False) else scale


def _check_plain(module: Any, mask: Tensor | None, key: Tensor, value: Tensor, more: dict[str, Any]) -> None:
    """Refuse what would be lost without a word."""
    given = {name for name, value in more.items() if value is not None and value is not False}
    unknown = sorted(given - _MEANINGLESS)
    if unknown:
        raise NoSlotsError(f"its attention takes {', '.join(unknown)}")
    if mask is not None:
        raise NoSlotsError("its attention has a mask of its own")
    if not getattr(module, "is_causal", True):
        raise NoSlotsError("its attention is not causal")
    if key.shape[3] != value.shape[3]:
        raise NoSlotsError("its keys and values differ in size")
    if key.shape[3] % 8:
        raise NoSlotsError(f"GroupQueryAttention wants heads of a size that 8 divides; these have {int(key.shape[3])}")


@contextmanager
def attending_by(cache: SlotCache, config: Any) -> Iterator[None]:
    """Make every model of that config call ``cache.attend``."""
    before = config._attn_implementation
    AttentionInterface.register(IMPLEMENTATION, cache.attend)
    config._attn_implementation = IMPLEMENTATION
    try:
        yield
    finally:
        config._attn_implementation = before
        AttentionInterface._global_mapping.pop(IMPLEMENTATION)
