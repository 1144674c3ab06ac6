"""Graphs as optimum exports decoders: they take keys and values and return them with the new tokens concatenated.

Sequences of different length share a call by left padding: the last columns of a row are its own, and
``attention_mask`` hides the columns before them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.stateful.state import State, StateRow, arrays_by_state, run_with_past
from workers.runtime.decoding.caches.tensor_names import pasts, present
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Array, Binding, Buffer
from workers.runtime.inference.session import Session

LARGE_PREFILL_PAIRS = 1 << 19
"""A prefill call with more pairs of a new and a held token, such as a piece of 128 after 4,096, gives its memory back.
For each pair the graph has several numbers a head. Steps of single tokens keep it: they are many and take little."""


class ConcatGraph:
    """A `StatefulGraph` whose tensors are [rows, heads, columns, size]."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.device = session.device
        self._inputs = pasts(session.inputs, of_source=False)
        self._outputs = [present(name) for name in self._inputs]
        # Graphs of models with relative positions have no such input.
        self._takes_positions = "position_ids" in session.inputs
        self._initial_state = State(tuple(self._put(self._columns(name, 1, 0)) for name in self._inputs), 1)

    def cached_tokens(self, num_tokens: int) -> int:
        """Return the same number: every token is held."""
        return num_tokens

    def initial_state(self) -> State:
        """Return the state of one sequence without tokens."""
        return self._initial_state

    def merge(self, rows: Sequence[StateRow]) -> State:
        """Return one state of these rows, padded on the left to the longest.

        On CUDA the merge copies through the host; as long as the batch stays the same, states remain on the device.
        """
        num_columns = max(row.num_tokens for row in rows)
        merged = []
        for number, name in enumerate(self._inputs):
            columns = self._columns(name, len(rows), num_columns)
            arrays = arrays_by_state(rows, number)
            for index, row in enumerate(rows):
                source = arrays[id(row.state)][row.index]
                columns[index, :, num_columns - row.num_tokens :] = source[:, source.shape[1] - row.num_tokens :]
            merged.append(self._put(columns))
        return State(tuple(merged), len(rows))

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows."""
        num_columns, num_new = state.tensors[0].shape[2], ids.shape[1]
        # A row's tokens are its last columns: its first one is at num_columns - length.
        columns = np.arange(num_columns + num_new)
        binding = self._session.binding()
        binding.feed("input_ids", ids)
        binding.feed("attention_mask", (columns >= num_columns - lengths[:, None]).astype(np.int64))
        if self._takes_positions:
            binding.feed("position_ids", lengths[:, None] + np.arange(num_new))
        self._feed(binding, state)
        give_back = num_new > 1 and num_new * len(columns) > LARGE_PREFILL_PAIRS
        logits, tensors = run_with_past(binding, self._inputs, self._outputs, state, give_back=give_back)
        return logits, replace(state, tensors=tensors)

    def _feed(self, binding: Binding, state: State) -> None:
        """Bind further inputs of a subclass's graph."""

    def _columns(self, name: str, num_rows: int, num_columns: int) -> Array:
        """Return zeros in the shape and type of a past input: [rows, heads, columns, size]."""
        heads, size = self._session.dims(name, 1, 3)
        # Not np.empty: masked columns get the weight 0, but 0 times NaN would be NaN.
        return np.zeros((num_rows, heads, num_columns, size), self._session.inputs[name].dtype)

    def _put(self, array: Array) -> Buffer:
        return Buffer.from_array(array, self.device)
