"""The cache of optimum's graphs, which take keys and values and answer them one token longer.

Rows of different age share a call by padding on the left: a row's own columns are the last ones, and
``attention_mask`` hides those before them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.stateful_cache import Row, State, carry
from workers.runtime.decoding.caches.tensor_names import pasts, present
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Array, Binding, Buffer
from workers.runtime.inference.session import Session


class ConcatGraph:
    """See `workers.runtime.decoding.caches.stateful_cache.CarryingGraph`. Tensors are [rows, heads, columns, size]."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._inputs = pasts(session.inputs, of_source=False)
        self._outputs = [present(name) for name in self._inputs]
        self._takes_positions = "position_ids" in session.inputs
        self._start = State(tuple(self._put(self._columns(name, 1, 0)) for name in self._inputs), 1)

    def weight(self, num_tokens: int) -> int:
        """Return the same number: all tokens are held."""
        return num_tokens

    def start(self) -> State:
        """Return the state of no tokens."""
        return self._start

    def merged(self, rows: Sequence[Row]) -> State:
        """Return one state of these rows, as many columns wide as the longest has tokens.

        On cuda this goes through the host; between joins and leaves caches stay on the device.
        """
        num_columns = max(row.num_tokens for row in rows)
        merged = []
        for number, name in enumerate(self._inputs):
            columns = self._columns(name, len(rows), num_columns)
            arrays = {id(row.state): row.state.tensors[number].numpy() for row in rows}
            for index, row in enumerate(rows):
                source = arrays[id(row.state)][row.index]
                columns[index, :, num_columns - row.num_tokens :] = source[:, source.shape[1] - row.num_tokens :]
            merged.append(self._put(columns))
        return State(tuple(merged), len(rows))

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows; see `CarryingGraph`."""
        num_columns, num_new = state.tensors[0].shape[2], ids.shape[1]
        columns = np.arange(num_columns + num_new)
        binding = self._session.binding()
        binding.feed("input_ids", ids)
        binding.feed("attention_mask", (columns >= num_columns - lengths[:, None]).astype(np.int64))
        if self._takes_positions:
            binding.feed("position_ids", lengths[:, None] + np.arange(num_new))
        self._feed(binding, state)
        logits, tensors = carry(binding, self._inputs, self._outputs, state)
        return logits, replace(state, tensors=tensors)

    def _feed(self, binding: Binding, state: State) -> None:
        """Feed what the graph takes besides."""

    def _columns(self, name: str, num_rows: int, num_columns: int) -> Array:
        """Return zeros: what lies behind a mask is multiplied by nothing, but must not be NaN."""
        heads, size = self._session.dims(name, 1, 3)
        return np.zeros((num_rows, heads, num_columns, size), self._session.inputs[name].dtype)

    def _put(self, array: Array) -> Buffer:
        return Buffer.holding(array, self._session.device)
