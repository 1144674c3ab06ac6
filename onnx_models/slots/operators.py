"""ONNX Runtime's operators that a slot graph is made of, as functions that torch's exporter can trace.

Each has the forward pass that the tracer runs, for shapes or for numbers, and the ``symbolic`` that the exporter
writes. Heads come and go as transformers has them, [rows, heads, tokens, size]; the operators want [rows, tokens,
heads x size]. The reshaping between the two is undone by what models do before and after, and `simplify` drops both.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

_HEADS_AND_TOKENS = [0, 2, 1, 3]


class Attention(NamedTuple):
    """Attributes of one attention layer."""

    num_heads: int
    num_kv_heads: int
    size: int
    """Of a head."""
    scale: float
    window: int
    """Tokens that a query sees, itself included; -1: all before it."""
    softcap: float
    """Scores are squeezed between ± this by tanh; 0: not."""


class Past(NamedTuple):
    """A layer's buffers, and how much of them is in use."""

    key: Tensor
    """[rows, kv_heads, max_length, size], as ``value``."""
    value: Tensor
    last: Tensor
    """int32 [rows]: position of each row's last token, the new ones and their padding included."""
    longest: Tensor
    """int32 scalar: the largest of them, plus one."""


class Table(NamedTuple):
    """Angles of tokens, each for two of a head's numbers."""

    ids: Tensor
    """int64 [rows, tokens]: which angle is whose."""
    cos: Tensor
    """[angles, half of the rotated size], as ``sin``."""
    sin: Tensor


def group_query_attention(
    query: Tensor, key: Tensor, value: Tensor, past: Past, attention: Attention, *, bias: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Append keys and values to the past and attend causally (com.microsoft.GroupQueryAttention of ONNX Runtime).

    Args:
        query: [rows, heads, tokens, size].
        key: [rows, kv_heads, tokens, size], as ``value``.
        value: see there.
        past: what they are appended to.
        attention: see there.
        bias: added to the scores, float32 [1, heads, tokens, longest].

    Returns:
        The mix [rows, tokens, heads, size], and the two buffers.
    """
    mixed, keys, values = _GroupQueryAttention.apply(attention, query, key, value, *past, bias)
    return mixed, keys, values


def rotate(states: Tensor, table: Table, *, interleaved: bool = False) -> Tensor:
    """Turn a head's first numbers, two by two, by its token's angles (RoFormer, Su et al., 2021).

    Args:
        states: [rows, heads, tokens, size].
        table: as wide as half of what is turned.
        interleaved: the two are neighbours; else one is of the first half of what is turned, one of the second.
    """
    rotation = _Rotation(int(states.shape[1]), int(states.shape[3]), 2 * int(table.cos.shape[1]), interleaved)
    rotated: Tensor = _RotaryEmbedding.apply(rotation, states, *table)
    return rotated


def pick_token(hidden: Tensor, index: Tensor) -> Tensor:
    """Return each row's token at ``index``: [rows, tokens, width] and int64 [rows] to [rows, 1, width]."""
    picked: Tensor = _PickToken.apply(hidden, index[:, None, None])
    return picked


class _Rotation(NamedTuple):
    num_heads: int
    size: int
    """Of a head."""
    num_rotated: int
    interleaved: bool


class _GroupQueryAttention(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, attention: Attention, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tensors of the right shapes; nobody reads the numbers of a trace."""
        query, _, _, past_key, past_value, *_ = tensors
        return torch.zeros_like(query).transpose(1, 2).contiguous(), past_key.clone(), past_value.clone()

    @staticmethod
    def symbolic(g: Any, attention: Attention, *values: Any) -> tuple[Any, Any, Any]:
        query, key, value, *past, bias = values
        inputs = [flat(g, query), flat(g, key), flat(g, value), *past]
        if bias is not None:
            absent: Any = g.op("prim::Constant")  # no tables of angles, no positions
            absent.setType(torch._C.OptionalType.ofTensor())
            inputs += [absent, absent, absent, bias]
        mixed, new_keys, new_values = g.op(
            "com.microsoft::GroupQueryAttention",
            *inputs,
            num_heads_i=attention.num_heads,
            kv_num_heads_i=attention.num_kv_heads,
            scale_f=attention.scale,
            local_window_size_i=attention.window,
            softcap_f=attention.softcap,
            outputs=3,
        )
        new_keys.setType(past[0].type())
        new_values.setType(past[1].type())
        return heads_of(g, mixed, attention.num_heads, attention.size, query), new_keys, new_values


class _RotaryEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rotation: _Rotation, *tensors: Tensor) -> Tensor:
        states, ids, cos, sin = tensors
        turned, rest = states[..., : rotation.num_rotated], states[..., rotation.num_rotated :]
        left, right = turned.unflatten(-1, (-1, 2)).unbind(-1) if rotation.interleaved else turned.chunk(2, dim=-1)
        cos, sin = cos[ids][:, None], sin[ids][:, None]
        pairs = left * cos - right * sin, right * cos + left * sin
        turned = torch.stack(pairs, dim=-1).flatten(-2) if rotation.interleaved else torch.cat(pairs, dim=-1)
        return torch.cat((turned, rest), dim=-1)

    @staticmethod
    def symbolic(g: Any, rotation: _Rotation, *values: Any) -> Any:
        states, *table = values
        rotated = g.op(
            "com.microsoft::RotaryEmbedding",
            flat(g, states),
            *table,
            num_heads_i=rotation.num_heads,
            rotary_embedding_dim_i=rotation.num_rotated,
            interleaved_i=int(rotation.interleaved),
        )
        heads = heads_of(g, rotated, rotation.num_heads, rotation.size, states)
        heads = g.op("Transpose", heads, perm_i=_HEADS_AND_TOKENS)
        return heads.setType(states.type().with_sizes([None, rotation.num_heads, None, rotation.size]))


class _PickToken(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden: Tensor, index: Tensor) -> Tensor:
        return torch.take_along_dim(hidden, index, dim=1)

    @staticmethod
    def symbolic(g: Any, hidden: Any, index: Any) -> Any:
        return g.op("GatherND", hidden, index, batch_dims_i=1)


def flat(g: Any, heads: Any) -> Any:
    """Write what makes [rows, tokens, heads x size] of [rows, heads, tokens, size]."""
    return g.op("Reshape", g.op("Transpose", heads, perm_i=_HEADS_AND_TOKENS), _shape(g, [0, 0, -1]))


def heads_of(g: Any, mixed: Any, num_heads: int, size: int, like: Any) -> Any:
    """Write what makes [rows, tokens, heads, size] of [rows, tokens, heads x size].

    Shapes are told to the exporter, which does not know the operator. Rows stay open, and tokens too unless they are a
    fixed number in ``like``, [rows, heads, tokens, size], whose numbers are of the same type.
    """
    tokens = (like.type().sizes() or [None] * 4)[2]
    mixed.setType(like.type().with_sizes([None, tokens, num_heads * size]))
    heads = g.op("Reshape", mixed, _shape(g, [0, 0, num_heads, size]))
    return heads.setType(like.type().with_sizes([None, tokens, num_heads, size]))


def _shape(g: Any, sizes: list[int]) -> Any:
    return g.op("Constant", value_t=torch.tensor(sizes))
