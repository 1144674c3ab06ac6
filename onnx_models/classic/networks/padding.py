"""Index arithmetic for padded rows, with operators that can be traced."""

import torch
from torch import Tensor


def mirror(num_tokens: int, lengths: Tensor) -> Tensor:
    """Return the positions that reverse each row up to its own end and leave padding alone: int64 [rows, tokens]."""
    positions = torch.arange(num_tokens, device=lengths.device)[None]
    return torch.where(positions < lengths[:, None], lengths[:, None] - 1 - positions, positions)


def pick(vectors: Tensor, positions: Tensor) -> Tensor:
    """Return each row's vectors at its positions: float32 [rows, positions, size]."""
    return vectors.gather(1, positions[..., None].expand(-1, -1, vectors.shape[-1]))
