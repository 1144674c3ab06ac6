"""The cache of a recurrent decoder with attention: its state is as long after a thousand tokens as after one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.stateful_cache import Row, Source, State, carry
from workers.runtime.decoding.caches.stateful_source_cache import fixed_together, source_mask, source_of
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Buffer
from workers.runtime.inference.session import Session

_STATE, _NEXT_STATE = ("hidden", "cell"), ("new_hidden", "new_cell")
_FIXED = ("encoder_hidden_states", "attention_keys")
_TOKENS_AXIS = 1


class RecurrentGraph:
    """See `stateful_source_cache.ReadingGraph`. The state's tensors are [rows, size]."""

    def __init__(self, encoder: Session, decoder: Session) -> None:
        self._encoder, self._decoder = encoder, decoder

    def weight(self, num_tokens: int) -> int:
        """Return 0: tokens leave nothing that grows."""
        return 0

    def start(self) -> State:
        """Return no state: the encoder makes the first one."""
        return State((), 1)

    def read(self, source_ids: Ids) -> State:
        """Run the encoder; see `ReadingGraph`."""
        binding = self._encoder.binding()
        binding.feed("input_ids", source_ids[None])
        binding.feed("attention_mask", np.ones((1, len(source_ids)), np.int64))
        for name in (*_FIXED, *_STATE):
            binding.write(name)
        binding.run()
        outputs = tuple(binding.outputs())
        return State(outputs[len(_FIXED) :], 1, (Source(len(source_ids)),), outputs[: len(_FIXED)])

    def merged(self, rows: Sequence[Row]) -> State:
        """Return one state of these rows. On cuda this goes through the host."""
        device = self._decoder.device
        tensors = []
        for number in range(len(_STATE)):
            arrays = {id(row.state): row.state.tensors[number].numpy() for row in rows}
            tensors.append(Buffer.holding(np.stack([arrays[id(row.state)][row.index] for row in rows]), device))
        fixed = fixed_together(rows, _TOKENS_AXIS, device)
        return State(tuple(tensors), len(rows), tuple(map(source_of, rows)), fixed)

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows, one after another; see `CarryingGraph`. Where they stand does not matter."""
        for column in ids.T:
            binding = self._decoder.binding()
            binding.feed("input_ids", np.ascontiguousarray(column[:, None]))
            binding.feed("encoder_attention_mask", source_mask(state))
            for name, tensor in zip(_FIXED, state.fixed, strict=True):
                binding.read(name, tensor)
            logits, tensors = carry(binding, _STATE, _NEXT_STATE, state)
            state = replace(state, tensors=tensors)
        return logits, state
