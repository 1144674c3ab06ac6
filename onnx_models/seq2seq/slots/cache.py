"""transformers' side of an encoder-decoder's slot graph: a cache that grows, and one of the source that does not.

Models ask `EncoderDecoderCache` for both, and find in ``is_updated`` that the source's keys and values are there
already; then they hand these to the attention function as they are, which is how it knows which attention it is.
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
    """What models read of a layer of the source's cache."""

    keys: Tensor
    values: Tensor


class SourceCache(Cache):
    """Keys and values of the source, for each layer."""

    is_compileable = False

    def __init__(self, buffers: Buffers, last: Tensor, longest: Tensor) -> None:
        """Keep them, and what `Past` says of all of them."""
        super().__init__(layers=[])
        self.layers = [_Layer(*each) for each in buffers]
        self.presents: list[tuple[Tensor, Tensor] | None] = [None] * len(buffers)
        """Each layer's buffers after its attention."""
        self._pasts = [Past(key, value, last, longest) for key, value in buffers]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 1: something is there."""
        return 1

    def layer_of(self, key: Tensor) -> int | None:
        """Return which layer's keys these are; None: they are new ones."""
        return next((index for index, layer in enumerate(self.layers) if layer.keys is key), None)

    def attend(self, layer: int, query: Tensor, scale: float) -> Tensor:
        """Return the mix [rows, 1 token, heads, size] for ``query`` [rows, heads, 1 token, size]."""
        heads, size = int(query.shape[1]), int(query.shape[3])
        attention = Attention(heads, int(self.layers[layer].keys.shape[1]), size, scale, -1, 0.0)
        mixed, keys, values = attend_to_source(query, self._pasts[layer], attention)
        self.presents[layer] = keys, values
        return mixed


class PairCache(EncoderDecoderCache):
    """The decoder's own cache, and that of the source."""

    self_attention_cache: SlotCache
    cross_attention_cache: SourceCache

    def __init__(self, own: SlotCache, source: SourceCache, positions: Tensor) -> None:
        """Keep both, and the position of each row's new token, int64 [rows, 1]."""
        super().__init__(own, source)
        self.positions = positions

    @property
    def presents(self) -> list[tuple[Tensor, Tensor] | None]:
        """Each layer's own buffers after its attention, and then each layer's of the source."""
        return [*self.self_attention_cache.presents, *self.cross_attention_cache.presents]

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
    ) -> tuple[Tensor, None]:
        """Attend as `SlotCache.attend`, or to the source if ``key`` is the buffer of its keys."""
        layer = self.cross_attention_cache.layer_of(key)
        if layer is None:
            return self.self_attention_cache.attend(module, query, key, value, mask, **options)
        scale = options.get("scaling")
        return self.cross_attention_cache.attend(layer, query, scale or int(query.shape[3]) ** -0.5), None
