"""The side of a slot graph that transformers calls while it is traced: the cache and the attention function.

A model that uses transformers' attention interface calls `SlotCache.update` with a layer's new keys and values, and
then the registered attention function, which is `SlotCache.attend`. `update` remembers the layer and returns its
arguments; `attend` emits the one operator that appends and attends.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers import AttentionInterface, Cache

from onnx_models.errors import ExportError
from onnx_models.slots.operators import Attention, Past, group_query_attention

IMPLEMENTATION = "slots"
"""The name under which ``attend`` is registered in transformers."""
_MEANINGLESS = frozenset(
    {"dropout", "head_mask", "is_causal", "position_ids", "cache_position", "use_cache", "output_attentions"}
)
"""Arguments that models pass to an attention function and that do not change what a causal one computes."""


class NoSlotsError(ExportError):
    """A slot graph of this model is impossible; the message says why. Export falls back to optimum's graph."""


class SlotCache(Cache):
    """The buffers of all layers, and the layer whose attention comes next."""

    # transformers' own answer is True for a cache without layers. Then it builds a mask, which `attend` refuses.
    is_compileable = False

    def __init__(self, buffers: Sequence[tuple[Tensor, Tensor]], last: Tensor, longest: Tensor) -> None:
        """Take each layer's keys and values, and the lengths that all layers share (see `Past`)."""
        # transformers requires layers, or a class of them. The buffers are here, in a form of their own.
        super().__init__(layers=[])
        self.longest = longest
        self.presents: list[tuple[Tensor, Tensor] | None] = [None] * len(buffers)
        """Each layer's buffers after its attention."""
        self._pasts = [Past(key, value, last, longest) for key, value in buffers]
        self._layer: int | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, cache_kwargs: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Return the new keys and values as they are, and remember the layer for the attention that follows."""
        self._layer = layer_idx
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 0, so that models neither derive positions from it (they are inputs) nor build a mask for it."""
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
        """Compute attention as transformers' attention interface has it.

        ``module`` is the layer. ``query`` is [rows, heads, tokens, size]; ``key`` and ``value`` are [rows, kv_heads,
        tokens, size] of the new tokens only. ``attention_mask`` must be None, since the operator masks. A query attends
        to ``sliding_window`` tokens, itself included; ``softcap`` bounds the scores to ± its value; ``bias`` [1, heads,
        tokens, longest past + tokens] is added to them. ``scaling`` None means 1 / sqrt(size), adjusted by the options
        of GPT-2's config.

        Returns:
            The weighted values [rows, tokens, heads, size], and None for the attention weights.

        Raises:
            NoSlotsError: the operator can't compute this attention, or an argument in ``more`` would change the result.
        """
        _check_plain(module, attention_mask, key, value, more)
        layer = self._take_layer()
        size = int(query.shape[3])
        # Attributes of an operator are constants, so all of them must be numbers and not traced tensors.
        scale = float(scaling or _default_scale(module, layer, size))
        heads = int(query.shape[1]), int(key.shape[1])
        attention = Attention(*heads, size, scale, sliding_window or -1, softcap or 0.0)
        mixed, keys, values = group_query_attention(query, key, value, self._pasts[layer], attention, bias=bias)
        self.presents[layer] = keys, values
        return mixed, None

    def _take_layer(self) -> int:
        """Return the layer whose keys and values were passed to ``update`` last."""
        # Cleared, so that attention without an update before it (cross-attention, for example) is noticed.
        layer, self._layer = self._layer, None
        if layer is None:
            raise NoSlotsError("a layer attends to other keys than its own past")
        return layer


def _default_scale(module: Any, layer: int, size: int) -> float:
    """Return the factor of the scores if the model passes none. GPT-2's eager attention applies its options itself."""
    scale = size**-0.5 if getattr(module, "scale_attn_weights", True) else 1.0
    return scale / (layer + 1) if getattr(module, "scale_attn_by_inverse_layer_idx", False) else scale


def _check_plain(module: Any, mask: Tensor | None, key: Tensor, value: Tensor, more: dict[str, Any]) -> None:
    """Raise NoSlotsError for every argument that the operator would silently ignore."""
    # Models pass every option that they know. None and False mean that it is off.
    given = {name for name, value in more.items() if value is not None and value is not False}
    unknown = sorted(given - _MEANINGLESS)
    if unknown:
        raise NoSlotsError(f"its attention takes {', '.join(unknown)}")
    if mask is not None:
        raise NoSlotsError("its attention has a mask of its own")
    # The operator always masks what comes later.
    if not getattr(module, "is_causal", True):
        raise NoSlotsError("its attention is not causal")
    # The operator has one size for all heads.
    if key.shape[3] != value.shape[3]:
        raise NoSlotsError("its keys and values differ in size")
    if key.shape[3] % 8:
        raise NoSlotsError(
            f"GroupQueryAttention needs a head size divisible by 8; these heads have {int(key.shape[3])}"
        )


@contextmanager
def registered_attention(cache: SlotCache, config: Any) -> Iterator[None]:
    """Register ``cache.attend`` as the attention function of the model with this config."""
    before = config._attn_implementation
    AttentionInterface.register(IMPLEMENTATION, cache.attend)
    # Layers read the implementation's name from this config in each call.
    config._attn_implementation = IMPLEMENTATION
    try:
        yield
    finally:
        config._attn_implementation = before
        # transformers has no method to unregister; the entry would keep the traced tensors alive.
        AttentionInterface._global_mapping.pop(IMPLEMENTATION)
