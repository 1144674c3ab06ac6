"""Replace parts of transformers' code while it is traced: what every slot graph needs, and how to replace more."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


@contextmanager
def replaced(owner: Any, name: str, new: Any) -> Iterator[None]:
    """Let ``owner`` have another attribute of that name for a while."""
    old = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, old)


@contextmanager
def plain_products() -> Iterator[None]:
    """Make projections products of matrices (MatMul, which is what weights are quantised in).

    torch would write Gemm between two reshapes.
    """
    with ExitStack() as both:
        both.enter_context(replaced(Conv1D, "forward", _project))
        both.enter_context(replaced(nn.Linear, "forward", _project_transposed))
        yield


def no_mask(*arguments: Any, **options: Any) -> None:
    """Stand in for a function that makes a causal mask: the operator masks."""


def _project(self: Conv1D, hidden: Tensor) -> Tensor:
    return hidden @ self.weight + self.bias


def _project_transposed(self: nn.Linear, hidden: Tensor) -> Tensor:
    product = hidden @ self.weight.T
    return product if self.bias is None else product + self.bias
