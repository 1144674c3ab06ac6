"""The side of an encoder-decoder's slot graph that transformers calls: the decoder's cache and that of the source.

Models get both from `EncoderDecoderCache`. Its ``is_updated`` says that the source's keys and values are computed
already, so models pass the cached tensors themselves to the attention function. It recognizes cross-attention by them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from transformers import Cache, EncoderDecoderCache

from onnx_models.seq2seq.slots.source_attention import attend_to_source
from onnx_models.slots.cache import SlotCache
from onnx_models.slots.operators import Attention, Past

Buffers = Sequence[tuple[Tensor, Tensor]]
"""Keys and values of each layer, [rows, heads, max_length, size]."""


class _Layer(NamedTuple):
    """The attributes that models read from a layer of the source's cache."""

    keys: Tensor
    values: Tensor


class SourceCache(Cache):
    """Keys and values of the source for each layer."""

    # transformers would ask each layer, and `_Layer` has no such attribute.
    is_compileable = False

    def __init__(self, buffers: Buffers, last: Tensor, longest: Tensor) -> None:
        """Take each layer's buffers, and the lengths that all layers share (see `Past`)."""
        super().__init__(layers=[])
        self.layers = [_Layer(*each) for each in buffers]
        self.presents: list[tuple[Tensor, Tensor] | None] = [None] * len(buffers)
        """Each layer's buffers after its attention."""
        self._pasts = [Past(key, value, last, longest) for key, value in buffers]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 1: with a length above 0, ``is_updated`` is true."""
        return 1

    def layer_of(self, key: Tensor) -> int | None:
        """Return the layer whose cached keys these are, or None for new keys."""
        return next((index for index, layer in enumerate(self.layers) if layer.keys is key), None)

    def attend(self, layer: int, query: Tensor, scale: float) -> Tensor:
        """Return the weighted values [rows, 1 token, heads, size] for ``query`` [rows, heads, 1 token, size]."""
        # int: in a trace, shapes are tensors, and attributes of operators must be numbers.
        heads, size = int(query.shape[1]), int(query.shape[3])
        attention = Attention(heads, int(self.layers[layer].keys.shape[1]), size, scale, -1, 0.0)
        mixed, keys, values = attend_to_source(query, self._pasts[layer], attention)
        self.presents[layer] = keys, values
        return mixed


class PairCache(EncoderDecoderCache):
    """The decoder's cache and that of the source."""

    self_attention_cache: SlotCache
    cross_attention_cache: SourceCache

    def __init__(self, own: SlotCache, source: SourceCache, positions: Tensor) -> None:
        """Take both caches, and the position of each row's new token, int64 [rows, 1]."""
        super().__init__(own, source)
        self.positions = positions

    @property
    def presents(self) -> list[tuple[Tensor, Tensor] | None]:
        """The decoder's buffers of all layers after their attention, and then those of the source."""
        return [*self.self_attention_cache.presents, *self.cross_attention_cache.presents]

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
    ) -> tuple[Tensor, None]:
        """Compute self-attention, or cross-attention if ``key`` is the buffer of the source's keys."""
        layer = self.cross_attention_cache.layer_of(key)
        if layer is None:
            return self.self_attention_cache.attend(module, query, key, value, mask, **options)
        scale = options.get("scaling")
        return self.cross_attention_cache.attend(layer, query, scale or int(query.shape[3]) ** -0.5), None
