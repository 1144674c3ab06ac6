"""Run the slot graphs of an encoder-decoder as a worker does, with buffers in which each row has a slot.

docs/architecture/06-slot-graphs.md specifies the graphs and the rules for calling them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.model_package.package import ModelPackage
from onnx_models.seq2seq.served import Floats, Served
from onnx_models.verification.session import DTYPES, Array, present_of, run_in_place

DECODER = "decoder_model.onnx"
NUM_SLOTS = 6


@dataclass(frozen=True)
class Slot:
    """The index of a row in every buffer."""

    index: int


class ServedSlots(Served):
    """A decoder with slots. Buffers are full of NaN at first and never cleaned, so that any use of garbage shows."""

    def __init__(self, package: ModelPackage) -> None:
        super().__init__(package, DECODER)
        # One position more than the longest output, so that a full slot can be idle in a call.
        lengths = {"decoder": self.max_new_tokens + 1, "encoder": package.manifest.limits.max_tokens}
        caches = [tensor for tensor in self.decoder.get_inputs() if tensor.name.startswith("past_key_values.")]
        self.buffers: dict[str, Array] = {
            each.name: np.full(
                (NUM_SLOTS, each.shape[1], lengths[each.name.split(".")[2]], each.shape[3]), np.nan, DTYPES[each.type]
            )
            for each in caches
        }
        """By the names of the decoder's inputs, [slots, heads, positions, size]."""
        self._sources = [name for name in self.buffers if ".encoder." in name]
        self._free = list(range(NUM_SLOTS))
        self._lengths, self._source_lengths = (np.zeros(NUM_SLOTS, np.int64) for _ in range(2))

    def _encoded(self, outputs: Mapping[str, Array]) -> Array:
        """Return the heads of all keys and values of all layers side by side."""
        heads = np.concatenate([outputs[present_of(name)] for name in self._sources], axis=1)
        rows, number, positions, size = heads.shape
        return heads.transpose(0, 2, 1, 3).reshape(rows, positions, number * size)

    def prefill(self, sources: Sequence[Floats], prefix: Sequence[int]) -> tuple[list[Floats], list[Slot]]:
        """Copy each source into a free slot, and append the first tokens one by one."""
        slots = [Slot(self._free.pop(0)) for _ in sources]
        for slot, source in zip(slots, sources, strict=True):
            self._lengths[slot.index], self._source_lengths[slot.index] = 0, len(source)
            start = 0
            for name in self._sources:
                _, number, _, size = self.buffers[name].shape
                heads = source[:, start : start + number * size].reshape(len(source), number, size)
                self.buffers[name][slot.index, :, : len(source)] = heads.transpose(1, 0, 2)
                start += number * size
        return self.append(slots, [prefix] * len(slots))

    def append(self, rows: Sequence[Slot], tokens: Sequence[Sequence[int]]) -> tuple[list[Floats], list[Slot]]:
        """Append tokens, one per call, in one batch with the slots between the given ones."""
        steps = [
            self._step({row.index: token for row, token in zip(rows, column, strict=True)})
            for column in zip(*tokens, strict=True)
        ]
        return [np.stack([logits[row.index] for logits in steps]) for row in rows], list(rows)

    def free(self, rows: Iterable[Slot]) -> None:
        """Free slots; their buffers keep their content."""
        for row in rows:
            self._lengths[row.index] = self._source_lengths[row.index] = 0
            self._free.append(row.index)

    def _step(self, tokens: Mapping[int, int]) -> dict[int, Floats]:
        first, last = min(tokens), max(tokens)
        slots = slice(first, last + 1)
        num_tokens = np.array([int(slot in tokens) for slot in range(first, last + 1)])
        feed = {
            "input_ids": np.array([[tokens.get(slot, 0)] for slot in range(first, last + 1)]),
            "past_lengths": self._lengths[slots].copy(),
            "num_tokens": num_tokens,
            "source_lengths": self._source_lengths[slots].copy(),
        }
        logits = run_in_place(self.decoder, feed, self.buffers, slots)
        self._lengths[slots] += num_tokens
        return {slot: logits[slot - first] for slot in tokens}
