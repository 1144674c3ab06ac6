"""Attention to a source that lies in a buffer, each row to as much of it as its own source is long.

ONNX Runtime's GroupQueryAttention knows such lengths, but only as an operator that appends. So it is given the source's
last key and value to append, at the place where they are: it reads the right part of the buffer and leaves it as it is.
"""

from typing import Any

import torch
from torch import Tensor

from onnx_models.slots.operators import Attention, Past, flat, heads_of

_ONE_TOKEN = [0, 1, -1]
"""[rows, heads, size] to [rows, 1 token, heads x size]."""


def attend_to_source(query: Tensor, source: Past, attention: Attention) -> tuple[Tensor, Tensor, Tensor]:
    """Attend to all that ``source`` says is in use.

    Args:
        query: [rows, heads, 1 token, size].
        source: ``last`` is the position of each row's last token, and nothing is read behind it.
        attention: without a window.

    Returns:
        The mix [rows, 1 token, heads, size], and the two buffers, which hold what they held.
    """
    places = source.last.long()[:, None, None] + torch.zeros(1, attention.num_kv_heads, 1, dtype=torch.long)
    mixed, keys, values = _SourceAttention.apply(attention, query, places, *source)
    return mixed, keys, values


class _SourceAttention(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, attention: Attention, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tensors of the right shapes; nobody reads the numbers of a trace."""
        query, _, key, value, *_ = tensors
        return torch.zeros_like(query).transpose(1, 2).contiguous(), key.clone(), value.clone()

    @staticmethod
    def symbolic(g: Any, attention: Attention, *values: Any) -> tuple[Any, Any, Any]:
        query, places, *past = values
        shape = g.op("Constant", value_t=torch.tensor(_ONE_TOKEN))
        last = (g.op("Reshape", g.op("GatherND", each, places, batch_dims_i=2), shape) for each in past[:2])
        mixed, keys, held = g.op(
            "com.microsoft::GroupQueryAttention",
            flat(g, query),
            *last,
            *past,
            num_heads_i=attention.num_heads,
            kv_num_heads_i=attention.num_kv_heads,
            scale_f=attention.scale,
            outputs=3,
        )
        keys.setType(past[0].type())
        held.setType(past[1].type())
        return heads_of(g, mixed, attention.num_heads, attention.size, query), keys, held
