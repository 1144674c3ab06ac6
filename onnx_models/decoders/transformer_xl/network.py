"""Transformer-XL (Dai et al., 2019, arXiv:1901.02860) written so that it can be traced into a graph.

Parameters have the names of the original weights. The differences from the original code do not change the numbers:
each token is looked up in every cluster of the vocabulary and masked, the adaptive softmax is computed over the whole
vocabulary, and memories always have their full length (they start as zeros, as in the original).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from onnx_models.decoders.transformer_xl.sizes import Sizes
from onnx_models.decoders.transformer_xl.vocabulary import AdaptiveEmbedding, AdaptiveSoftmax


class TransformerXL(nn.Module):
    """The language model: token ids and memories in, log-probabilities and new memories out."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.transformer = Body(sizes)
        self.crit = AdaptiveSoftmax(sizes)

    def forward(self, input_ids: Tensor, *mems: Tensor) -> tuple[Tensor, ...]:
        """Append tokens to each row.

        Args:
            input_ids: int64 [rows, tokens], without padding.
            mems: the memory of each layer, float32 [memory, rows, d_model].

        Returns:
            Log-probabilities of the token after the last one, float32 [rows, 1, vocabulary]; then the new memories.
        """
        hidden, memories = self.transformer(input_ids.transpose(0, 1), mems)
        return (self.crit(hidden[-1:].transpose(0, 1)), *memories)


class Body(nn.Module):
    """Embedding and layers; time is the first axis, rows the second."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.word_emb = AdaptiveEmbedding(sizes)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.n_layer))
        self._sizes = sizes
        wavelengths = 10000 ** (torch.arange(0.0, sizes.d_model, 2.0) / sizes.d_model)
        # Not persistent: the original weights, which are loaded by name, have no such tensor.
        self.register_buffer("frequencies", 1 / wavelengths, persistent=False)

    def forward(self, ids: Tensor, mems: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return hidden states [tokens, rows, d_model] and the new memory of each layer."""
        length, memory = ids.shape[0], self._sizes.mem_len
        hidden, distances = self.word_emb(ids), self._distances(length + memory)
        hidden_from = self._hidden_from(length)
        memories = []
        for layer, mem in zip(self.layers, mems, strict=True):
            context = torch.cat([mem, hidden])
            # Always the full length, so that the shape of an output is that of its input.
            memories.append(context[-memory:])
            hidden = layer(hidden, context, distances, hidden_from)
        return hidden, memories

    def _distances(self, length: int) -> Tensor:
        """Return sinusoidal encodings of the distances to the keys, the farthest first: float32 [keys, d_model]."""
        steps = torch.arange(length - 1, -1, -1, dtype=torch.float32)
        if self._sizes.clamp_len > 0:
            steps = steps.clamp(max=float(self._sizes.clamp_len))
        angles = steps[:, None] * self.frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def _hidden_from(self, length: int) -> Tensor:
        """Return which keys each token must not attend to: bool [tokens, keys].

        With ``same_length`` every token attends to equally many keys.
        """
        tokens, keys = torch.arange(length)[:, None], torch.arange(length + self._sizes.mem_len)
        later = keys > tokens + self._sizes.mem_len
        return later | (keys <= tokens) if self._sizes.same_length else later


class Layer(nn.Module):
    """Attention with relative positions, then the feed-forward block; normalized before or after each."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.dec_attn = RelativeAttention(sizes)
        self.pos_ff = FeedForward(sizes)

    def forward(self, hidden: Tensor, context: Tensor, distances: Tensor, hidden_from: Tensor) -> Tensor:
        """Return the layer's hidden states, float32 [tokens, rows, d_model]."""
        return self.pos_ff(self.dec_attn(hidden, context, distances, hidden_from))


class RelativeAttention(nn.Module):
    """Multi-head attention over content and distance (section 3.3 and appendix B of the paper)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.n_head * sizes.d_head
        self.qkv_net = nn.Linear(sizes.d_model, 3 * width, bias=False)
        self.r_net = nn.Linear(sizes.d_model, width, bias=False)
        self.o_net = nn.Linear(width, sizes.d_model, bias=False)
        self.r_w_bias = nn.Parameter(torch.zeros(sizes.n_head, sizes.d_head))
        self.r_r_bias = nn.Parameter(torch.zeros(sizes.n_head, sizes.d_head))
        self.layer_norm = nn.LayerNorm(sizes.d_model, eps=sizes.layer_norm_epsilon)
        self._sizes = sizes

    def forward(self, hidden: Tensor, context: Tensor, distances: Tensor, hidden_from: Tensor) -> Tensor:
        """Attend from ``hidden`` to ``context``: memory and tokens, float32 [keys, rows, d_model]."""
        before = self._sizes.pre_lnorm
        attended = self._attend(
            *((self.layer_norm(hidden), self.layer_norm(context)) if before else (hidden, context)),
            distances,
            hidden_from,
        )
        return hidden + attended if before else self.layer_norm(hidden + attended)

    def _attend(self, hidden: Tensor, context: Tensor, distances: Tensor, hidden_from: Tensor) -> Tensor:
        heads, size = self._sizes.n_head, self._sizes.d_head
        width, tokens, keys, rows = heads * size, hidden.shape[0], context.shape[0], hidden.shape[1]
        # The weights are one matrix, but the memory needs no queries and is not multiplied by their part.
        query = functional.linear(hidden, self.qkv_net.weight[:width]).reshape(tokens, rows, heads, size)
        key, value = functional.linear(context, self.qkv_net.weight[width:]).chunk(2, dim=-1)
        key, value = (part.reshape(keys, rows, heads, size) for part in (key, value))
        distance = self.r_net(distances).reshape(keys, heads, size)
        by_content = torch.einsum("irhd,jrhd->rhij", query + self.r_w_bias, key)
        by_distance = torch.einsum("irhd,jhd->rhij", query + self.r_r_bias, distance)
        scores = (by_content + _shifted(by_distance)) * size**-0.5
        weights = scores.masked_fill(hidden_from, torch.finfo(scores.dtype).min).softmax(dim=-1)
        return self.o_net(torch.einsum("rhij,jrhd->irhd", weights, value).reshape(tokens, rows, width))


def _shifted(scores: Tensor) -> Tensor:
    """Shift row i of [rows, heads, tokens, keys] to the left by (tokens - 1 - i), which aligns distances with keys.

    This is the relative shift of the paper's appendix B, by padding and reshaping.
    """
    rows, heads, tokens, keys = scores.shape
    padded = functional.pad(scores, (1, 0)).reshape(rows, heads, keys + 1, tokens)
    return padded[:, :, 1:].reshape(rows, heads, tokens, keys)


class FeedForward(nn.Module):
    """Two linear maps with ReLU between them, and the residual path."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        # The original has dropout at index 2 and at the end. Without the Identity, the second Linear would get another
        # index, and its weights another name.
        self.CoreNet = nn.Sequential(
            nn.Linear(sizes.d_model, sizes.d_inner), nn.ReLU(), nn.Identity(), nn.Linear(sizes.d_inner, sizes.d_model)
        )
        self.layer_norm = nn.LayerNorm(sizes.d_model, eps=sizes.layer_norm_epsilon)
        self._before = sizes.pre_lnorm

    def forward(self, hidden: Tensor) -> Tensor:
        """Return float32 [tokens, rows, d_model]."""
        if self._before:
            return hidden + self.CoreNet(self.layer_norm(hidden))
        return self.layer_norm(hidden + self.CoreNet(hidden))
