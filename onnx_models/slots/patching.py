"""Patch parts of transformers' code while it is traced: helpers, and the patches that every slot graph needs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


@contextmanager
def patched(owner: Any, name: str, new: Any) -> Iterator[None]:
    """Replace an attribute of ``owner`` until the end of the block."""
    old = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)


@contextmanager
def plain_matmuls() -> Iterator[None]:
    """Trace projections as MatMul.

    torch's exporter would write each as a Gemm between two Reshape nodes, since Gemm takes matrices only. The shapes
    would be computed by a dozen more nodes.
    """
    with ExitStack() as both:
        both.enter_context(patched(Conv1D, "forward", _project))
        both.enter_context(patched(nn.Linear, "forward", _project_transposed))
        yield


def no_mask(*arguments: Any, **options: Any) -> None:
    """Replace a function that builds a causal mask, since the operator masks."""


def _project(self: Conv1D, hidden: Tensor) -> Tensor:
    return hidden @ self.weight + self.bias


def _project_transposed(self: nn.Linear, hidden: Tensor) -> Tensor:
    # The weight is a constant, so the tracer folds its transpose, and a single MatMul is left.
    product = hidden @ self.weight.T
    return product if self.bias is None else product + self.bias
