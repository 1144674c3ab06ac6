"""A plain way to run a slot graph: numpy buffers bound as past and as present.

docs/architecture/06-slot-graphs.md says what the graph takes, and what whoever runs it must keep to.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from contracts.model_package.package import ModelPackage
from onnx_models.decoders.runner import Floats
from onnx_models.verification.session import open_session

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class SlotModel:
    """A `Runner` over such a graph; CPU only.

    Row ``i`` of every buffer is slot ``i``. One more position than ``max_length`` is there for rows that are full and
    still lie between others that are not.
    """

    def __init__(self, package: ModelPackage, num_rows: int = 8, max_length: int | None = None) -> None:
        """Load a graph and make its buffers.

        Args:
            package: of graph kind ``decoder-slots``.
            num_rows: slots.
            max_length: most tokens of a slot; None: what the manifest allows.
        """
        self.num_rows = num_rows
        self.lengths = np.zeros(num_rows, np.int64)
        """Tokens that each slot holds; what lies behind them in the buffers is never read."""
        self._session = open_session(package)
        length = (max_length or package.manifest.limits.max_tokens) + 1
        self.buffers = {
            tensor.name: np.zeros((num_rows, tensor.shape[1], length, tensor.shape[3]), _TYPES[tensor.type])
            for tensor in self._session.get_inputs()
            if tensor.name.startswith("past_key_values.")
        }
        """Keys and values by the names of the graph's inputs: [slots, heads, max_length + 1, size]."""

    def prefill(self, row: int, ids: Sequence[int]) -> Floats:
        """Read a prompt, or more of it. See `Runner`."""
        return self.run(row, [ids])[0]

    def step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        """Append one token to each of the named rows, in one batch with those between them. See `Runner`."""
        first = min(tokens)
        ids = [[tokens[row]] if row in tokens else [] for row in range(first, max(tokens) + 1)]
        logits = self.run(first, ids)
        return {row: logits[row - first] for row in tokens}

    def leave(self, row: int) -> None:
        """Free a slot; what is in it stays. See `Runner`."""
        self.lengths[row] = 0

    def run(self, first: int, ids: Sequence[Sequence[int]]) -> Floats:
        """Append tokens to the slots from ``first`` on; a row without any rides along.

        Returns:
            The logits after each row's last token, float32 [rows, vocabulary]; those of riders mean nothing.
        """
        rows = slice(first, first + len(ids))
        num_tokens = np.array([len(row) for row in ids], np.int64)
        padded = np.zeros((len(ids), max(1, num_tokens.max())), np.int64)
        for row, tokens in zip(padded, ids, strict=True):
            row[: len(tokens)] = tokens
        binding = self._session.io_binding()
        binding.bind_output("logits")
        feed = {"input_ids": padded, "past_lengths": self.lengths[rows].copy(), "num_tokens": num_tokens}
        for name, array in feed.items():
            binding.bind_cpu_input(name, array)
        for name, buffer in self.buffers.items():
            part = buffer[rows]
            place = ("cpu", 0, part.dtype, part.shape, part.ctypes.data)
            binding.bind_input(name, *place)
            binding.bind_output(name.replace("past_key_values", "present"), *place)
        self._session.run_with_iobinding(binding)
        self.lengths[rows] += num_tokens
        logits: Floats = binding.get_outputs()[0].numpy().astype(np.float32)
        return logits
