"""What the decoding loop asks of a loaded graph that writes, whichever cache it has."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from workers.runtime.decoding.request import Ids

Floats = npt.NDArray[np.float32]


class Cache(Protocol):
    """A loaded graph with room for several texts. Used by the inference thread only, but for the figures.

    A text has a *place* from ``take`` to ``leave``. What a text's logits are never depends on the other places.
    """

    max_rows: int
    """Places."""
    max_tokens: int
    """Most tokens that one text may come to hold, prompt and answer together."""
    vocabulary: int
    """Length of the logits."""
    capacity_tokens: int
    """Tokens that all texts together may hold."""

    @property
    def tokens_held(self) -> int:
        """Tokens that the texts hold now. Can be read from any thread."""
        ...

    def take(self, num_tokens: int) -> int | None:
        """Reserve a place for a text that will come to hold at most so many tokens; None while there is no room."""
        ...

    def prefill(self, place: int, token_ids: Ids) -> Floats:
        """Read a prompt, or the next piece of it.

        Args:
            place: of ``take``.
            token_ids: int64 [tokens], at least one.

        Returns:
            The logits after the last token, float32 [vocabulary]; good until the next call.

        Raises:
            Exception: the call failed; the place holds what it held before.
        """
        ...

    def step(self, places: Sequence[int], token_ids: Sequence[int]) -> Floats:
        """Append one token to each of these places, in one model call.

        Returns:
            The logits after each one's token, float32 [places, vocabulary], in the order of ``places``; good until the
            next call.

        Raises:
            Exception: the call failed; every place holds what it held before.
        """
        ...

    def rearrange(self, places: Sequence[int], parents: Sequence[int]) -> None:
        """Let texts that started alike go on from one another, as the beams of a search do.

        Args:
            places: of texts with the same source and the same number of tokens, or with none yet.
            parents: for each of ``places``, the one among them whose tokens it goes on with.

        Raises:
            Exception: every place holds what it held before.
        """
        ...

    def leave(self, place: int) -> None:
        """Free a place; whoever takes it next does not notice what was there."""
        ...


class SourceCache(Cache, Protocol):
    """The cache of an encoder-decoder: a place has its text, which grows, and its source, which is read once."""

    max_source_tokens: int
    """Most tokens of a source."""

    def read_source(self, places: Sequence[int], source_ids: Ids) -> None:
        """Run the encoder, and let the texts of these places look at what it answers.

        Args:
            places: that have read nothing.
            source_ids: int64 [tokens], at least one.

        Raises:
            Exception: the call failed; the places hold nothing.
        """
        ...
