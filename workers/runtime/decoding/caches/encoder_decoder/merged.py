"""Encoder-decoders as optimum exports them: one merged decoder graph with two branches over the same weights.

The branch without a past is run once per source, for the cross-attention keys and values that only this branch returns.
All tokens of the sequence, the first one too, go through the branch with a past, so a new sequence joins the common
step at once.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workers.runtime.decoding.caches.encoder_decoder.stateful import merge_encoder_outputs, source_mask, source_of
from workers.runtime.decoding.caches.stateful.concat import ConcatGraph
from workers.runtime.decoding.caches.stateful.state import Source, State, StateRow
from workers.runtime.decoding.caches.tensor_names import pasts, present
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Binding, Buffer
from workers.runtime.inference.session import Session

_HIDDEN = "encoder_hidden_states"
_KEYS_TOKENS_AXIS, _HIDDEN_TOKENS_AXIS = 2, 1
"""Keys and values are [rows, heads, tokens, size], hidden states [rows, tokens, size]."""


class MergedGraph(ConcatGraph):
    """An `EncoderDecoderGraph` of optimum.

    The encoder outputs of its states are the cross-attention keys and values; or the encoder's hidden states, for
    models whose graph computes keys and values from them at every step.
    """

    def __init__(self, encoder: Session, decoder: Session) -> None:
        super().__init__(decoder)
        self._encoder = encoder
        self._cross_attention = pasts(decoder.inputs, of_source=True)

    def encode(self, source_ids: Ids) -> State:
        """Run the encoder on one source."""
        binding = self._encoder.binding()
        binding.feed("input_ids", source_ids[None])
        binding.feed("attention_mask", np.ones((1, len(source_ids)), np.int64))
        binding.write("last_hidden_state")
        binding.run(give_back=self._encoder.is_large(1, len(source_ids)))
        hidden = replace(
            self.initial_state(), sources=(Source(len(source_ids)),), encoder_outputs=tuple(binding.outputs())
        )
        if not self._cross_attention:
            return hidden
        return replace(hidden, encoder_outputs=self._cross_attention_keys(hidden))

    def merge(self, rows: Sequence[StateRow]) -> State:
        """Return one state of these rows."""
        axis = _KEYS_TOKENS_AXIS if self._cross_attention else _HIDDEN_TOKENS_AXIS
        outputs = merge_encoder_outputs(rows, axis, self.device)
        return replace(super().merge(rows), sources=tuple(map(source_of, rows)), encoder_outputs=outputs)

    def _cross_attention_keys(self, state: State) -> tuple[Buffer, ...]:
        """Return the keys and values of the source. They do not depend on the token that the graph must be given."""
        binding = self._session.binding()
        binding.feed("input_ids", np.zeros((1, 1), np.int64))
        binding.feed("attention_mask", np.ones((1, 1), np.int64))
        binding.feed("encoder_attention_mask", source_mask(state))
        binding.feed("use_cache_branch", np.array([False]))
        binding.read(_HIDDEN, state.encoder_outputs[0])
        for name in (*self._inputs, *self._cross_attention):
            binding.read(name, self._put(self._columns(name, 1, 0)))
        for name in self._cross_attention:
            binding.write(present(name))
        binding.run()
        return tuple(binding.outputs())

    def _feed(self, binding: Binding, state: State) -> None:
        binding.feed("encoder_attention_mask", source_mask(state))
        binding.feed("use_cache_branch", np.array([True]))
        if not self._cross_attention:
            binding.read(_HIDDEN, state.encoder_outputs[0])
            return
        # This branch does not read the hidden states, but the graph's input must be bound.
        (width,) = self._session.dims(_HIDDEN, 2)
        binding.feed(_HIDDEN, np.zeros((state.num_rows, 0, width), np.float32))
        for name, tensor in zip(self._cross_attention, state.encoder_outputs, strict=True):
            binding.read(name, tensor)
