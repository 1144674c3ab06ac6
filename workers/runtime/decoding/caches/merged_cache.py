"""The cache of optimum's encoder-decoders, whose decoder has two branches over the same weights.

The first branch, that of no past, is run for each source once, to have its keys and values where the graph caches
them. All tokens of texts go through the second, so a new text can join the common step with its first token.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workers.runtime.decoding.caches.concat_cache import ConcatGraph
from workers.runtime.decoding.caches.stateful_cache import Row, Source, State
from workers.runtime.decoding.caches.stateful_source_cache import fixed_together, source_mask, source_of
from workers.runtime.decoding.caches.tensor_names import pasts, present
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Binding, Buffer
from workers.runtime.inference.session import Session

_HIDDEN = "encoder_hidden_states"
_KEYS_AXIS, _HIDDEN_AXIS = 2, 1
"""Along which tokens lie in keys and values [rows, heads, tokens, size], and in hidden states [rows, tokens, size]."""


class MergedGraph(ConcatGraph):
    """See `workers.runtime.decoding.caches.stateful_source_cache.ReadingGraph`.

    What steps read of a source are its keys and values, or the encoder's hidden states where the graph makes keys and
    values of them at every step.
    """

    def __init__(self, encoder: Session, decoder: Session) -> None:
        super().__init__(decoder)
        self._encoder = encoder
        self._cross = pasts(decoder.inputs, of_source=True)

    def read(self, source_ids: Ids) -> State:
        """Run the encoder; see `ReadingGraph`."""
        binding = self._encoder.binding()
        binding.feed("input_ids", source_ids[None])
        binding.feed("attention_mask", np.ones((1, len(source_ids)), np.int64))
        binding.write("last_hidden_state")
        binding.run()
        state = replace(self.start(), sources=(Source(len(source_ids)),), fixed=tuple(binding.outputs()))
        return replace(state, fixed=self._keys(state)) if self._cross else state

    def merged(self, rows: Sequence[Row]) -> State:
        """Return one state of these rows; see `CarryingGraph`."""
        fixed = fixed_together(rows, _KEYS_AXIS if self._cross else _HIDDEN_AXIS, self._session.device)
        return replace(super().merged(rows), sources=tuple(map(source_of, rows)), fixed=fixed)

    def _keys(self, state: State) -> tuple[Buffer, ...]:
        """Return the source's keys and values, which are the same whatever token is read."""
        binding = self._session.binding()
        binding.feed("input_ids", np.zeros((1, 1), np.int64))
        binding.feed("attention_mask", np.ones((1, 1), np.int64))
        binding.feed("encoder_attention_mask", source_mask(state))
        binding.feed("use_cache_branch", np.array([False]))
        binding.read(_HIDDEN, state.fixed[0])
        for name in (*self._inputs, *self._cross):
            binding.read(name, self._put(self._columns(name, 1, 0)))
        for name in self._cross:
            binding.write(present(name))
        binding.run()
        return tuple(binding.outputs())

    def _feed(self, binding: Binding, state: State) -> None:
        binding.feed("encoder_attention_mask", source_mask(state))
        binding.feed("use_cache_branch", np.array([True]))
        if not self._cross:
            binding.read(_HIDDEN, state.fixed[0])
            return
        (width,) = self._session.dims(_HIDDEN, 2)
        binding.feed(_HIDDEN, np.zeros((state.num_rows, 0, width), np.float32))
        for name, tensor in zip(self._cross, state.fixed, strict=True):
            binding.read(name, tensor)
