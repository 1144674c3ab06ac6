"""What a comparison asks of a package's decoder, whichever cache its graph has.

The serving side of a comparison is a plain runner of one graph: ONNX Runtime and numpy, nothing of the workers. Each
kind of graph has its own (`concat`, `slot_model`); `causal.compare` drives them all by these three calls.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Runner(Protocol):
    """Decodes up to ``num_rows`` texts side by side, each in a place of its own: 0 … ``num_rows`` - 1."""

    num_rows: int

    def prefill(self, row: int, ids: Sequence[int]) -> Floats:
        """Read the tokens of a prompt into a free place; of an occupied one, append them to what it has read.

        Returns:
            The last token's logits, float32 [vocabulary].
        """
        ...

    def step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        """Append one token to each of the named places, in one call of the graph; the others stay as they are.

        Returns:
            For each named place the logits after its token, float32 [vocabulary].
        """
        ...

    def leave(self, row: int) -> None:
        """Free a place; whoever takes it next must not notice what was there."""
        ...
