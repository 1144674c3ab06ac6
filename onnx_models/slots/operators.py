"""ONNX Runtime's operators of slot graphs, as functions that torch's exporter can trace.

Each has a forward pass, which the tracer runs for its shapes or its numbers, and a ``symbolic``, which emits the
operator. transformers passes heads as [rows, heads, tokens, size], while the operators take [rows, tokens, heads x
size]. The reshapes between the two undo those that models do before and after, and `simplify` removes both.
"""

from collections.abc import Sequence
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
    """Number of tokens that a query attends to, itself included; -1: all before it."""
    softcap: float
    """Scores are squeezed between ± this by tanh; 0: no soft cap."""


class Past(NamedTuple):
    """A layer's buffers, and the part of them that is in use."""

    key: Tensor
    """[rows, kv_heads, max_length, size], as ``value``."""
    value: Tensor
    last: Tensor
    """int32 [rows]: position of each row's last token, new tokens and their padding included."""
    longest: Tensor
    """int32 scalar: the largest of them, plus one."""


class Table(NamedTuple):
    """Rotation angles; each turns one pair of a head's numbers."""

    ids: Tensor
    """int64 [rows, tokens]: index of each token's angles."""
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
        value: see ``key``.
        past: the buffers to which they are appended.
        attention: the operator's attributes.
        bias: added to the scores, float32 [1, heads, tokens, longest].

    Returns:
        The weighted values [rows, tokens, heads, size], and the two buffers.
    """
    mixed, keys, values = _GroupQueryAttention.apply(attention, query, key, value, *past, bias)
    return mixed, keys, values


def rotate(states: Tensor, table: Table, *, interleaved: bool = False) -> Tensor:
    """Apply rotary position embedding to the first numbers of each head (RoFormer, Su et al., 2021).

    Args:
        states: [rows, heads, tokens, size].
        table: angles; their number is half of the numbers that are rotated.
        interleaved: whether a pair is two adjacent numbers. Otherwise one is in the first half of the rotated numbers
            and one in the second.
    """
    rotation = _Rotation(int(states.shape[1]), int(states.shape[3]), 2 * int(table.cos.shape[1]), interleaved)
    rotated: Tensor = _RotaryEmbedding.apply(rotation, states, *table)
    return rotated


def pick_token(hidden: Tensor, index: Tensor) -> Tensor:
    """Return the token at ``index`` of each row: [rows, tokens, width] and int64 [rows] to [rows, 1, width].

    As GatherND, which takes whole tokens; torch's exporter would take each number by an index of its own.
    """
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
        """Return tensors of the right shapes; the numbers of a trace are not used."""
        query, _, _, past_key, past_value, *_ = tensors
        # Clones: an output that is an input would be traced as that input.
        return torch.zeros_like(query).transpose(1, 2).contiguous(), past_key.clone(), past_value.clone()

    @staticmethod
    def symbolic(g: Any, attention: Attention, *values: Any) -> tuple[Any, Any, Any]:
        query, key, value, *past, bias = values
        new = [flat(g, query), flat(g, key), flat(g, value)]
        return emit_attention(g, attention, query, [*new, *past], bias)


class _RotaryEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rotation: _Rotation, *tensors: Tensor) -> Tensor:
        # Computed in full, unlike attention: the result decides whether the operator replaces the model's rotation.
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


def emit_attention(
    g: Any, attention: Attention, query: Any, inputs: Sequence[Any], bias: Any = None
) -> tuple[Any, Any, Any]:
    """Emit GroupQueryAttention for a ``query`` [rows, heads, tokens, size], which gives the types of the outputs.

    Args:
        g: the exporter's graph.
        attention: attributes of the operator.
        query: as the model has it.
        inputs: of the operator: flat query, key and value, then the fields of `Past`.
        bias: added to the scores.

    Returns:
        The weighted values [rows, tokens, heads, size], and the two buffers.
    """
    optional = []
    if bias is not None:
        # Optional inputs are positional: cosine table, sine table and positions come before the bias.
        # As torch's own symbolics make the placeholder of an input that is left out.
        absent: Any = g.op("prim::Constant")
        absent.setType(torch._C.OptionalType.ofTensor())
        optional = [absent, absent, absent, bias]
    mixed, keys, values = g.op(
        "com.microsoft::GroupQueryAttention",
        *inputs,
        *optional,
        num_heads_i=attention.num_heads,
        kv_num_heads_i=attention.num_kv_heads,
        scale_f=attention.scale,
        local_window_size_i=attention.window,
        softcap_f=attention.softcap,
        outputs=3,
    )
    # The exporter can't infer the types of an operator that it does not know, and later nodes need them.
    keys.setType(inputs[3].type())
    values.setType(inputs[4].type())
    return heads_of(g, mixed, attention.num_heads, attention.size, query), keys, values


def flat(g: Any, heads: Any) -> Any:
    """Emit the conversion of [rows, heads, tokens, size] to [rows, tokens, heads x size]."""
    # In a Reshape, 0 copies a dimension, so rows and tokens stay dynamic without a computed shape.
    return g.op("Reshape", g.op("Transpose", heads, perm_i=_HEADS_AND_TOKENS), _shape(g, [0, 0, -1]))


def heads_of(g: Any, mixed: Any, num_heads: int, size: int, like: Any) -> Any:
    """Emit the conversion of [rows, tokens, heads x size] to [rows, tokens, heads, size].

    Shapes are set by hand, since the exporter does not know the operator. Rows are dynamic, and so are tokens unless
    they are a constant in ``like``, [rows, heads, tokens, size], which also gives the dtype.
    """
    tokens = (like.type().sizes() or [None] * 4)[2]
    mixed.setType(like.type().with_sizes([None, tokens, num_heads * size]))
    heads = g.op("Reshape", mixed, _shape(g, [0, 0, num_heads, size]))
    return heads.setType(like.type().with_sizes([None, tokens, num_heads, size]))


def _shape(g: Any, sizes: list[int]) -> Any:
    return g.op("Constant", value_t=torch.tensor(sizes))
