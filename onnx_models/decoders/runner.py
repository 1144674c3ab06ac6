"""The interface between a comparison and the graph of a decoder, whatever kind of cache the graph needs.

Runners use ONNX Runtime and numpy and none of the workers' code: a second, plain implementation shows whether the graph
is right independently of the scheduler. Each kind of graph has one (`concat`, `slot_model`); `parity` drives them.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Runner(Protocol):
    """Decodes up to ``num_slots`` sequences in one batch, each in a slot: 0 … ``num_slots`` - 1."""

    num_slots: int

    def prefill(self, slot: int, ids: Sequence[int]) -> Floats:
        """Append a prompt, or a further chunk of it, to one slot.

        Returns:
            The last token's logits, float32 [vocabulary].
        """
        ...

    def step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        """Append one token to each of the given slots, in one call of the graph; the other slots do not change.

        Returns:
            For each given slot the logits after its token, float32 [vocabulary].
        """
        ...

    def free(self, slot: int) -> None:
        """Free a slot. The next sequence that gets it is not affected by what it held before."""
        ...
