"""A cache for text autoencoders: one call returns the logits of all positions, whatever is generated."""

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np

from workers.runtime.decoding.caches.cache import Floats, Saved
from workers.runtime.decoding.caches.slot_allocator import (
    SlotAllocator,
    check_beams,
    check_fits,
    check_source_fits,
)
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.session import Session


class NonAutoregressiveCache:
    """A `workers.runtime.decoding.caches.cache.EncoderDecoderCache` without feedback from the generated tokens.

    A token that is appended only advances the sequence to its next position, so the decoder prefix is any one token.
    The model has no end-of-sequence token: a request must ask for as many tokens as its source has.

    Args:
        session: of the graph.
        max_slots: sequences that can be held at once.
        max_source_tokens: longest source. A sequence may have one token more, its prefix.
        vocab_size: length of a row of logits.
    """

    def __init__(self, session: Session, *, max_slots: int, max_source_tokens: int, vocab_size: int) -> None:
        self.max_slots, self.max_source_tokens, self.vocab_size = max_slots, max_source_tokens, vocab_size
        self.max_tokens = max_source_tokens + 1
        self.capacity_tokens = max_slots * self.max_tokens
        self._session = session
        self._slots = SlotAllocator(max_slots, self.capacity_tokens)
        self._logits: dict[int, Floats] = {}
        """The logits of all positions, float32 [source tokens, vocab_size], by slot."""
        self._num_tokens: dict[int, int] = {}

    @property
    def tokens_held(self) -> int:
        """Tokens of the encoded sources."""
        # list() copies in one go what the inference thread changes while the heartbeat's thread reads this.
        return sum(map(len, list(self._logits.values())))

    def allocate(self, num_tokens: int) -> int | None:
        """Reserve a slot."""
        check_fits(num_tokens, self.max_tokens)
        slot = self._slots.allocate(num_tokens)
        if slot is not None:
            self._num_tokens[slot] = 0
        return slot

    def has_room(self, num_slots: int, num_tokens: int, without: Collection[int] = ()) -> bool:
        """Return whether so many slots could be allocated."""
        return self._slots.has_room(num_slots, num_tokens, without)

    def free(self, slot: int) -> None:
        """Release a slot and its logits."""
        self._slots.free(slot)
        del self._num_tokens[slot]
        self._logits.pop(slot, None)

    def encode(self, slots: Sequence[int], source_ids: Ids) -> None:
        """Run the graph, which is all the computation that these slots need."""
        check_source_fits(len(source_ids), self.max_source_tokens)
        ids = np.asarray(source_ids, np.int64)[None]
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        (logits,) = self._session.run(["logits"], feeds, give_back=self._session.is_large(1, ids.size))
        self._logits |= dict.fromkeys(slots, logits[0])

    def prefill(self, slot: int, token_ids: Ids) -> Floats:
        """Advance one slot by several positions."""
        logits: Floats = self._advance([slot], len(token_ids))[0]
        return logits

    def step(self, slots: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Advance each of these slots by one position."""
        return self._advance(slots, 1)

    def reorder_cache(self, slots: Sequence[int], beam_idx: Sequence[int]) -> None:
        """Let beams continue from one another: only their positions can differ."""
        check_beams(slots, beam_idx)
        self._num_tokens |= {slot: self._num_tokens[slots[index]] for slot, index in zip(slots, beam_idx, strict=True)}

    def saved_bytes(self, slots: Sequence[int]) -> int:
        """Return what the logits of these slots take: those that a search's beams share count once."""
        logits = [self._logits[slot] for slot in slots if slot in self._logits]
        return sum({id(each): each.nbytes for each in logits}.values())

    def save(self, slots: Sequence[int]) -> Saved:
        """Keep the logits of these slots. They are in host memory already, and nothing changes them."""
        logits = [self._logits.get(slot) for slot in slots]
        positions = [self._num_tokens[slot] for slot in slots]
        return Saved(self.saved_bytes(slots), partial(self._restore, logits, positions))

    def _restore(self, logits: Sequence[Floats | None], positions: Sequence[int], slots: Sequence[int]) -> None:
        self._num_tokens |= zip(slots, positions, strict=True)
        self._logits |= {slot: each for slot, each in zip(slots, logits, strict=True) if each is not None}

    def _advance(self, slots: Sequence[int], num_tokens: int) -> Floats:
        positions = {slot: self._num_tokens[slot] + num_tokens for slot in slots}
        if any(position > len(self._logits[slot]) for slot, position in positions.items()):
            raise ValueError("a text autoencoder can't generate more tokens than its source has")
        # The prefix advances a sequence to position 1, from whose logits its first token is chosen: those at index 0.
        logits = np.stack([self._logits[slot][position - 1] for slot, position in positions.items()])
        self._num_tokens |= positions
        return logits
