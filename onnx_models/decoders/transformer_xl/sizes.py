"""The sizes of a Transformer-XL."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Sizes(NamedTuple):
    """The fields of the original config that determine the network."""

    vocab_size: int
    cutoffs: Sequence[int]
    d_model: int
    d_embed: int
    n_head: int
    d_head: int
    d_inner: int
    div_val: int
    n_layer: int
    mem_len: int
    clamp_len: int
    same_length: bool
    pre_lnorm: bool
    untie_r: bool
    layer_norm_epsilon: float

    @classmethod
    def of(cls, config: Any) -> "Sizes":
        """Read the sizes from transformers' config."""
        return cls(*(getattr(config, name) for name in cls._fields))

    @property
    def borders(self) -> list[int]:
        """First token of each cluster of the vocabulary, from frequent to rare ones, and the end of the last."""
        return [0, *self.cutoffs, self.vocab_size]

    def width(self, cluster: int) -> int:
        """Return the size of a cluster's embeddings: those of rare tokens are narrower."""
        return self.d_embed // self.div_val**cluster

    @property
    def projected(self) -> bool:
        """Whether embeddings are projected to the model's size."""
        return self.div_val > 1 or self.d_embed != self.d_model
