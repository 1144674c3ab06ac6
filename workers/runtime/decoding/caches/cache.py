"""The interface between the scheduler and a loaded decoder graph, whatever kind of cache the graph needs."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from workers.runtime.decoding.request import Ids

Floats = npt.NDArray[np.float32]


class Saved(NamedTuple):
    """What some slots held when they were saved. Slots that it is restored to go on as these would have, to the bit."""

    num_bytes: int
    """Host memory that it takes."""
    restore: Callable[[Sequence[int]], None]
    """Write it into as many slots, which must be allocated and hold nothing. If it raises, they may hold anything."""


class Cache(Protocol):
    """A loaded graph together with the decoding state of several sequences.

    A sequence holds a *slot* from ``allocate`` to ``free``. The logits of a slot never depend on the other slots. Only
    the inference thread uses a cache, except for the figures ``tokens_held`` and ``capacity_tokens``.
    """

    max_slots: int
    """Sequences that can be held at once."""
    max_tokens: int
    """Longest sequence, prompt and generated tokens together."""
    vocab_size: int
    """Length of a row of logits."""
    capacity_tokens: int
    """Tokens that all sequences together can hold."""

    @property
    def tokens_held(self) -> int:
        """Tokens that the sequences hold now. Any thread may read it."""
        ...

    def allocate(self, num_tokens: int) -> int | None:
        """Reserve a slot for a sequence of at most this final length; return None if there is no room for it yet.

        Raises:
            ValueError: the sequence could never fit.
        """
        ...

    def has_room(self, num_slots: int, num_tokens: int, without: Collection[int] = ()) -> bool:
        """Return whether so many slots could be allocated for sequences of this final length.

        Args:
            num_slots: at least one.
            num_tokens: as for ``allocate``.
            without: allocated slots that would be free by then.
        """
        ...

    def free(self, slot: int) -> None:
        """Release a slot. The next sequence that gets the slot is not affected by what it held before."""
        ...

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Append a prompt, or the next chunk of it, to one slot.

        Args:
            slot: an allocated slot.
            token_ids: int64 [tokens], at least one.

        Returns:
            The logits after the last token, float32 [vocabulary]; valid until the next call.

        Raises:
            Exception: the call failed; the slot holds what it held before.
        """
        ...

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these slots in one model call.

        Returns:
            The logits after each token, float32 [slots, vocab_size], in the order of ``slots``; valid until the next
            call.

        Raises:
            Exception: the call failed; every slot holds what it held before.
        """
        ...

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        """Let each slot continue from the sequence of another one, as transformers' method of this name does.

        Args:
            slots: the beams of one search: they have the same source and the same number of tokens, or none yet.
            beam_idx: for each slot, the index *into ``slots``* of the beam whose sequence it continues.

        Raises:
            Exception: every slot holds what it held before.
        """
        ...

    def saved_bytes(self, slots: Sequence[int]) -> int:
        """Return how much host memory `save` would take for these slots, or a little more than that."""
        ...

    def save(self, slots: Sequence[int]) -> Saved:
        """Copy to host memory what these slots hold, so that they can be freed. They are not changed.

        Args:
            slots: of one sequence, or the beams of one search.
        """
        ...


@runtime_checkable
class EncoderDecoderCache(Cache, Protocol):
    """The cache of an encoder-decoder: each slot has a source, encoded once, and a sequence that grows."""

    max_source_tokens: int
    """Longest source."""

    def encode(self, slots: Sequence[int], source_ids: Ids) -> None:
        """Run the encoder once and let all these slots attend to its output.

        Args:
            slots: allocated slots that hold nothing yet.
            source_ids: int64 [tokens], at least one.

        Raises:
            Exception: the call failed; the slots still hold nothing.
        """
        ...
