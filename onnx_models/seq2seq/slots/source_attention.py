"""Cross-attention to a source in a buffer, where each row attends to the tokens of its own source only.

ONNX Runtime's GroupQueryAttention supports different lengths, but only as an operator that appends. So it gets
the source's last key and value to append, at the position where they already are. It then attends to the right part of
the buffer and leaves the buffer unchanged, to the bit.
"""

from typing import Any

import torch
from torch import Tensor

from onnx_models.slots.operators import Attention, Past, emit_attention, flat

_ONE_TOKEN = [0, 1, -1]
"""[rows, heads, size] to [rows, 1 token, heads x size]."""


def attend_to_source(query: Tensor, source: Past, attention: Attention) -> tuple[Tensor, Tensor, Tensor]:
    """Attend to the part of the buffers that is in use.

    Args:
        query: [rows, heads, 1 token, size].
        source: ``last`` is the position of each row's last token; nothing behind it is read.
        attention: the operator's attributes, without a window.

    Returns:
        The weighted values [rows, 1 token, heads, size], and the two unchanged buffers.
    """
    # GatherND with two batch dimensions needs the position for each head.
    positions = source.last.long()[:, None, None] + torch.zeros(1, attention.num_kv_heads, 1, dtype=torch.long)
    mixed, keys, values = _SourceAttention.apply(attention, query, positions, *source)
    return mixed, keys, values


class _SourceAttention(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, attention: Attention, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tensors of the right shapes; the numbers of a trace are not used."""
        query, _, key, value, *_ = tensors
        return torch.zeros_like(query).transpose(1, 2).contiguous(), key.clone(), value.clone()

    @staticmethod
    def symbolic(g: Any, attention: Attention, *values: Any) -> tuple[Any, Any, Any]:
        query, positions, *past = values
        shape = g.op("Constant", value_t=torch.tensor(_ONE_TOKEN))
        last = [g.op("Reshape", g.op("GatherND", each, positions, batch_dims_i=2), shape) for each in past[:2]]
        return emit_attention(g, attention, query, [flat(g, query), *last, *past])
