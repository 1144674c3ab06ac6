"""A recurrent decoder with attention: its state has the same size after a thousand tokens as after one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.encoder_decoder.stateful import merge_encoder_outputs, source_mask, source_of
from workers.runtime.decoding.caches.stateful.state import Source, State, StateRow, arrays_by_state, run_with_past
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Buffer
from workers.runtime.inference.session import Session

_STATE, _NEXT_STATE = ("hidden", "cell"), ("new_hidden", "new_cell")
_ENCODER_OUTPUTS = ("encoder_hidden_states", "attention_keys")
_TOKENS_AXIS = 1


class RecurrentGraph:
    """An `EncoderDecoderGraph` whose state tensors are [rows, size]."""

    def __init__(self, encoder: Session, decoder: Session) -> None:
        self._encoder, self._decoder = encoder, decoder
        self.device = decoder.device

    def cached_tokens(self, num_tokens: int) -> int:
        """Return 0: the state does not grow."""
        return 0

    def initial_state(self) -> State:
        """Return an empty state: the encoder makes the first real one."""
        return State((), 1)

    def encode(self, source_ids: Ids) -> State:
        """Run the encoder on one source."""
        binding = self._encoder.binding()
        binding.feed("input_ids", source_ids[None])
        binding.feed("attention_mask", np.ones((1, len(source_ids)), np.int64))
        for name in (*_ENCODER_OUTPUTS, *_STATE):
            binding.write(name)
        binding.run(give_back=self._encoder.is_large(1, len(source_ids)))
        outputs = tuple(binding.outputs())
        num = len(_ENCODER_OUTPUTS)
        return State(outputs[num:], 1, sources=(Source(len(source_ids)),), encoder_outputs=outputs[:num])

    def merge(self, rows: Sequence[StateRow]) -> State:
        """Return one state of these rows. On CUDA it is copied through the host."""
        tensors = []
        for number in range(len(_STATE)):
            arrays = arrays_by_state(rows, number)
            tensors.append(Buffer.from_array(np.stack([arrays[id(row.state)][row.index] for row in rows]), self.device))
        outputs = merge_encoder_outputs(rows, _TOKENS_AXIS, self.device)
        return State(tuple(tensors), len(rows), sources=tuple(map(source_of, rows)), encoder_outputs=outputs)

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows, one call per token. The lengths are not needed: the state is all that counts."""
        for column in ids.T:
            binding = self._decoder.binding()
            binding.feed("input_ids", np.ascontiguousarray(column[:, None]))
            binding.feed("encoder_attention_mask", source_mask(state))
            for name, tensor in zip(_ENCODER_OUTPUTS, state.encoder_outputs, strict=True):
                binding.read(name, tensor)
            logits, tensors = run_with_past(binding, _STATE, _NEXT_STATE, state)
            state = replace(state, tensors=tensors)
        return logits, state
