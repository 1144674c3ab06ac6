"""A plain runner of slot graphs: numpy buffers that are bound both as past and as present.

docs/architecture/06-slot-graphs.md specifies the graph and the rules for calling it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from contracts.model_package.package import ModelPackage
from onnx_models.decoders.runner import Floats
from onnx_models.verification.session import DTYPES, open_session, pad_right, run_in_place


class SlotModel:
    """A `Runner` over such a graph, on CPU."""

    def __init__(self, package: ModelPackage, num_slots: int = 8, max_length: int | None = None) -> None:
        """Load a graph and allocate its buffers.

        Args:
            package: of graph kind ``decoder-slots``.
            num_slots: sequences that can be held at once.
            max_length: most tokens of a slot; None: the manifest's limit.
        """
        self.num_slots = num_slots
        self.lengths = np.zeros(num_slots, np.int64)
        """Tokens that each slot holds; what lies behind them in the buffers is never read."""
        self._session = open_session(package)
        # One position more than the longest sequence: slots between those of a call are run with them, and the graph
        # writes a token behind what they hold, even if they are full.
        length = (max_length or package.manifest.limits.max_tokens) + 1
        self.buffers = {
            tensor.name: np.zeros((num_slots, tensor.shape[1], length, tensor.shape[3]), DTYPES[tensor.type])
            for tensor in self._session.get_inputs()
            if tensor.name.startswith("past_key_values.")
        }
        """Keys and values by the names of the graph's inputs: [slots, heads, max_length + 1, size]."""

    def prefill(self, slot: int, ids: Sequence[int]) -> Floats:
        """Append a prompt, or a further chunk of it, to one slot."""
        return self.run(slot, [ids])[0]

    def step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        """Append one token to each of the given slots, in one batch with the slots between them."""
        first = min(tokens)
        ids = [[tokens[slot]] if slot in tokens else [] for slot in range(first, max(tokens) + 1)]
        logits = self.run(first, ids)
        return {slot: logits[slot - first] for slot in tokens}

    def free(self, slot: int) -> None:
        """Free a slot; its buffers keep their content, which nothing reads."""
        self.lengths[slot] = 0

    def run(self, first: int, ids: Sequence[Sequence[int]]) -> Floats:
        """Append tokens to the slots from ``first`` on; a slot without tokens is idle in this call.

        Returns:
            The logits after each row's last token, float32 [rows, vocabulary]; those of idle rows are undefined.
        """
        slots = slice(first, first + len(ids))
        num_tokens = np.array([len(row) for row in ids], np.int64)
        past = self.lengths[slots].copy()
        feed = {"input_ids": pad_right(ids)[0], "past_lengths": past, "num_tokens": num_tokens}
        logits = run_in_place(self._session, feed, self.buffers, slots)
        self.lengths[slots] += num_tokens
        return logits
