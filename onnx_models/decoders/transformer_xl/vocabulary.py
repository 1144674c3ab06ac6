"""Input and output layers of Transformer-XL, whose clusters by frequency make 267,735 words affordable."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from onnx_models.decoders.transformer_xl.sizes import Sizes


class AdaptiveEmbedding(nn.Module):
    """Embeddings whose width depends on how frequent a token is (Baevski and Auli, 2019)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        # Weights with one width for all embeddings have them in one table.
        self._borders = sizes.borders if sizes.div_val > 1 else [0, sizes.vocab_size]
        spans = [end - start for start, end in pairwise(self._borders)]
        widths = [sizes.width(cluster) for cluster in range(len(spans))]
        self.emb_layers = nn.ModuleList(nn.Embedding(*shape) for shape in zip(spans, widths, strict=True))
        self.emb_projs = nn.ParameterList(torch.zeros(sizes.d_model, width) for width in widths if sizes.projected)
        self._scale = sizes.d_model**0.5

    def forward(self, ids: Tensor) -> Tensor:
        """Return float32 [..., d_model] for int64 [...]."""
        # The original selects the rows of each cluster by index, so the sizes of its tensors depend on the ids, which a
        # trace can't follow. Here every token is looked up in every cluster, and the wrong ones are masked.
        total = torch.zeros(())
        for cluster, layer in enumerate(self.emb_layers):
            start, end = self._borders[cluster], self._borders[cluster + 1]
            vectors = layer((ids - start).clamp(0, end - start - 1))
            if len(self.emb_projs):
                vectors = functional.linear(vectors, self.emb_projs[cluster])
            here = ((ids >= start) & (ids < end)).unsqueeze(-1)
            total = total + torch.where(here, vectors, torch.zeros(()))
        return total * self._scale


class AdaptiveSoftmax(nn.Module):
    """Log-probabilities in two levels: of a frequent token, or of a cluster and a token in it (Grave et al., 2017)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self._borders = sizes.borders
        num_tails = len(self._borders) - 2
        spans = [end - start for start, end in pairwise(self._borders)]
        self.cluster_weight = nn.Parameter(torch.zeros(num_tails, sizes.d_embed)) if num_tails else None
        self.cluster_bias = nn.Parameter(torch.zeros(num_tails)) if num_tails else None
        widths = [sizes.width(cluster) for cluster in range(len(spans))]
        shapes = list(zip(widths, spans, strict=True)) if sizes.div_val > 1 else [(sizes.d_embed, sizes.vocab_size)]
        self.out_layers = nn.ModuleList(nn.Linear(*shape) for shape in shapes)
        self.out_projs = nn.ParameterList(torch.zeros(sizes.d_model, width) for width in widths if sizes.projected)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return float32 [..., vocabulary] for hidden states [..., d_model]."""
        shortlist = self._borders[1]
        head = self._scores(hidden, 0).log_softmax(dim=-1)
        parts = [head[..., :shortlist]]
        for cluster in range(1, len(self._borders) - 1):
            tail = self._scores(hidden, cluster).log_softmax(dim=-1)
            parts.append(head[..., shortlist + cluster - 1].unsqueeze(-1) + tail)
        return torch.cat(parts, dim=-1)

    def _scores(self, hidden: Tensor, cluster: int) -> Tensor:
        """Return the logits of a cluster; those of the first cluster are followed by one for each other cluster."""
        if len(self.out_layers) > 1:
            weight, bias = self.out_layers[cluster].weight, self.out_layers[cluster].bias
        else:
            span = slice(self._borders[cluster], self._borders[cluster + 1])
            weight, bias = self.out_layers[0].weight[span], self.out_layers[0].bias[span]
        if cluster == 0 and self.cluster_weight is not None:
            weight, bias = torch.cat([weight, self.cluster_weight]), torch.cat([bias, self.cluster_bias])
        if len(self.out_projs):
            hidden = hidden @ self.out_projs[cluster]
        return functional.linear(hidden, weight, bias)
