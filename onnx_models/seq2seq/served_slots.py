"""Serve the slot graphs of an encoder-decoder as a worker does: buffers that rows have places in.

docs/architecture/06-slot-graphs.md says what the graphs take, and what whoever runs them must keep to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.model_package.package import ModelPackage
from onnx_models.seq2seq.served import Floats, Served, present

DECODER = "decoder_model.onnx"
NUM_PLACES = 6
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True)
class Place:
    """Where a row is in every buffer."""

    index: int


class ServedSlots(Served):
    """A decoder with slots. Buffers are full of NaN at first, and nothing is cleaned when a row leaves."""

    def __init__(self, package: ModelPackage) -> None:
        super().__init__(package, DECODER)
        # One position more than a row may have, so that a full one can ride along.
        lengths = {"decoder": self.max_new_tokens + 1, "encoder": package.manifest.limits.max_tokens}
        caches = [tensor for tensor in self.decoder.get_inputs() if tensor.name.startswith("past_key_values.")]
        self.buffers: dict[str, NDArray[Any]] = {
            each.name: np.full(
                (NUM_PLACES, each.shape[1], lengths[each.name.split(".")[2]], each.shape[3]), np.nan, _TYPES[each.type]
            )
            for each in caches
        }
        """By the names of the decoder's inputs, [places, heads, positions, size]."""
        self._sources = [name for name in self.buffers if ".encoder." in name]
        self._free = list(range(NUM_PLACES))
        self._lengths, self._source_lengths = (np.zeros(NUM_PLACES, np.int64) for _ in range(2))

    def _encoded(self, answer: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Lay the heads of all keys and values of all layers side by side."""
        heads = np.concatenate([answer[present(name)] for name in self._sources], axis=1)
        rows, number, positions, size = heads.shape
        return heads.transpose(0, 2, 1, 3).reshape(rows, positions, number * size)

    def start(self, sources: Sequence[Floats], prefix: Sequence[int]) -> tuple[list[Floats], list[Place]]:
        """Write each source into a free place, and read the first tokens one after the other. See `Served`."""
        places = [Place(self._free.pop(0)) for _ in sources]
        for place, source in zip(places, sources, strict=True):
            self._lengths[place.index], self._source_lengths[place.index] = 0, len(source)
            start = 0
            for name in self._sources:
                _, number, _, size = self.buffers[name].shape
                heads = source[:, start : start + number * size].reshape(len(source), number, size)
                self.buffers[name][place.index, :, : len(source)] = heads.transpose(1, 0, 2)
                start += number * size
        return self.read(places, [prefix] * len(places))

    def read(self, rows: Sequence[Place], tokens: Sequence[Sequence[int]]) -> tuple[list[Floats], list[Place]]:
        """Read more tokens, one a call, in one batch with those who lie between the rows. See `Served`."""
        steps = [
            self._step({row.index: token for row, token in zip(rows, column, strict=True)})
            for column in zip(*tokens, strict=True)
        ]
        return [np.stack([logits[row.index] for logits in steps]) for row in rows], list(rows)

    def leave(self, rows: Iterable[Place]) -> None:
        """Free places; what is in them stays. See `Served`."""
        for row in rows:
            self._lengths[row.index] = self._source_lengths[row.index] = 0
            self._free.append(row.index)

    def _step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        first, last = min(tokens), max(tokens)
        span = slice(first, last + 1)
        num_tokens = np.array([int(place in tokens) for place in range(first, last + 1)])
        feed = {
            "input_ids": np.array([[tokens.get(place, 0)] for place in range(first, last + 1)]),
            "past_lengths": self._lengths[span].copy(),
            "num_tokens": num_tokens,
            "source_lengths": self._source_lengths[span].copy(),
        }
        binding = self.decoder.io_binding()
        binding.bind_output("logits")
        for name, array in feed.items():
            binding.bind_cpu_input(name, array)
        for name, buffer in self.buffers.items():
            part = buffer[span]
            where = ("cpu", 0, part.dtype, part.shape, part.ctypes.data)
            binding.bind_input(name, *where)
            binding.bind_output(present(name), *where)
        self.decoder.run_with_iobinding(binding)
        self._lengths[span] += num_tokens
        logits = binding.get_outputs()[0].numpy().astype(np.float32)
        return {place: logits[place - first] for place in tokens}
