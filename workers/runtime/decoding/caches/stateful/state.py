"""The state that a graph takes and returns, and what `StatefulCache` requires of such a graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.binding import Array, Binding, Buffer

# Sources and states are compared by identity: whether a batch must be merged depends on where its tensors are, and a
# comparison of their contents would cost more than the merge.


@dataclass(frozen=True, eq=False)
class Source:
    """One encoded source."""

    num_tokens: int


@dataclass(frozen=True, eq=False)
class State:
    """The decoding state of several sequences, one row each. It is never changed."""

    tensors: tuple[Buffer, ...]
    """The graph's past inputs, in their order."""
    num_rows: int
    sources: tuple[Source, ...] = ()
    """Encoder-decoders: the source of each row."""
    encoder_outputs: tuple[Buffer, ...] = ()
    """Encoder-decoders: what cross-attention reads, padded on the right to the longest source."""

    @property
    def row_bytes(self) -> int:
        """Memory of one row."""
        return sum(buffer.num_bytes for buffer in (*self.tensors, *self.encoder_outputs)) // self.num_rows

    def on(self, device: str) -> "State":
        """Return this state on a device: itself, if it is there."""
        if all(buffer.device == device for buffer in (*self.tensors, *self.encoder_outputs)):
            return self
        tensors, encoder_outputs = (
            tuple(Buffer.from_array(buffer.numpy(), device) for buffer in buffers)
            for buffers in (self.tensors, self.encoder_outputs)
        )
        return replace(self, tensors=tensors, encoder_outputs=encoder_outputs)


@dataclass(frozen=True)
class StateRow:
    """One sequence's row of a state."""

    state: State
    index: int
    num_tokens: int
    """Tokens of the sequence so far."""


class StatefulGraph(Protocol):
    """A graph that takes a whole state and returns the next one."""

    device: str
    """Where its states are."""

    def cached_tokens(self, num_tokens: int) -> int:
        """Return how many tokens of cache a sequence of this length occupies."""
        ...

    def initial_state(self) -> State:
        """Return the state of one sequence without tokens."""
        ...

    def merge(self, rows: Sequence[StateRow]) -> State:
        """Return a new state made of these rows, in this order."""
        ...

    def run(self, state: State, ids: Ids, lengths: Ids) -> tuple[Floats, State]:
        """Append tokens to all rows of a state, which itself is not changed.

        Args:
            state: the past.
            ids: int64 [rows, tokens]; several tokens only for a state of one row.
            lengths: int64 [rows], tokens of each row so far.

        Returns:
            The logits after each row's last token, float32 [rows, vocab_size], and the next state.
        """
        ...


def arrays_by_state(rows: Sequence[StateRow], number: int) -> dict[int, Array]:
    """Return the past tensor of this number for each distinct state of the rows, by the state's ``id``."""
    # Of each state once: on CUDA every call of `numpy` copies the whole tensor.
    return {id(state): state.tensors[number].numpy() for state in {row.state for row in rows}}


def run_with_past(
    binding: Binding, inputs: Sequence[str], outputs: Sequence[str], state: State, *, give_back: bool = False
) -> tuple[Floats, tuple[Buffer, ...]]:
    """Run a graph whose other inputs are bound already: bind the past, run, collect the present.

    Returns:
        The logits after each row's last token, float32 [rows, vocab_size], and the next state's tensors.
    """
    for name, tensor in zip(inputs, state.tensors, strict=True):
        binding.read(name, tensor)
    # Outputs come back in the order in which they are bound, so the logits are the first one.
    binding.write("logits", "cpu")
    for name in outputs:
        binding.write(name)
    binding.run(give_back=give_back)
    logits, *tensors = binding.outputs()
    last: Floats = logits.numpy()[:, -1]
    # A prefill returns logits for every token; a view of the last one would keep all of them in memory.
    return (last if logits.shape[1] == 1 else last.copy()), tuple(tensors)
