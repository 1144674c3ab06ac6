"""A cache for graphs that answer a text of a source's own length at once, whatever is written: text autoencoders."""

from collections.abc import Sequence

import numpy as np

from workers.runtime.decoding.caches.cache import Floats
from workers.runtime.decoding.caches.slot_allocator import Places, check_heirs
from workers.runtime.decoding.request import Ids
from workers.runtime.inference.session import Session


class WholeAnswerCache:
    """See `workers.runtime.decoding.caches.cache.SourceCache`.

    Tokens that are read only move on to the next position, so a text has a prefix of one token, any one. Nothing ends
    it: it must be asked for as many tokens as its source has.

    Args:
        session: of the graph.
        max_rows: places.
        max_source_tokens: most tokens of a source. A text may have one more, its prefix.
        vocabulary: length of the logits.
    """

    def __init__(self, session: Session, *, max_rows: int, max_source_tokens: int, vocabulary: int) -> None:
        self.max_rows, self.max_source_tokens, self.vocabulary = max_rows, max_source_tokens, vocabulary
        self.max_tokens = max_source_tokens + 1
        self.capacity_tokens = max_rows * self.max_tokens
        self._session = session
        self._places = Places(max_rows, self.capacity_tokens)
        self._answers: dict[int, Floats] = {}
        self._num_read: dict[int, int] = {}

    @property
    def tokens_held(self) -> int:
        """Tokens of the sources that are answered."""
        return sum(map(len, list(self._answers.values())))

    def take(self, num_tokens: int) -> int | None:
        """Reserve a place. See `Cache`."""
        if num_tokens > self.max_tokens:
            raise ValueError(f"a text of {num_tokens} tokens has no room: {self.max_tokens} fit")
        place = self._places.take(num_tokens)
        if place is not None:
            self._num_read[place] = 0
        return place

    def read_source(self, places: Sequence[int], source_ids: Ids) -> None:
        """Run the graph. See `SourceCache`."""
        if not 0 < len(source_ids) <= self.max_source_tokens:
            raise ValueError(f"a source of {len(source_ids)} tokens has no room: {self.max_source_tokens} fit")
        ids = np.asarray(source_ids, np.int64)[None]
        logits = self._session.run("logits", {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        self._answers |= dict.fromkeys(places, logits[0])

    def prefill(self, place: int, token_ids: Ids) -> Floats:
        """Move on by so many positions. See `Cache`."""
        logits: Floats = self._after([place], len(token_ids))[0]
        return logits

    def step(self, places: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Move on by one position in each of these places. See `Cache`."""
        return self._after(places, 1)

    def rearrange(self, places: Sequence[int], parents: Sequence[int]) -> None:
        """Let texts go on from one another. See `Cache`."""
        check_heirs(places, parents)
        self._num_read |= {place: self._num_read[parent] for place, parent in zip(places, parents, strict=True)}

    def leave(self, place: int) -> None:
        """Free a place. See `Cache`."""
        self._places.leave(place)
        del self._num_read[place]
        self._answers.pop(place, None)

    def _after(self, places: Sequence[int], num_tokens: int) -> Floats:
        positions = {place: self._num_read[place] + num_tokens for place in places}
        if any(position > len(self._answers[place]) for place, position in positions.items()):
            raise ValueError("a text autoencoder writes no more tokens than it has read")
        logits = np.stack([self._answers[place][position - 1] for place, position in positions.items()])
        self._num_read |= positions
        return logits
