"""What is counted of the work of attempts and of models. All counts only grow."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import msgspec

from contracts.price.demand import Demand


class Counts(msgspec.Struct):
    """What was read and decoded."""

    num_rows: int = 0
    """Inputs, or pieces of them, each as often as the model reads it."""
    tokens_in: int = 0
    """Of these rows."""
    tokens_out: int = 0
    """Decoded in all sequences and beams."""
    token_pairs: int = 0
    """Sum of the squares of the lengths of rows that are read in one call."""


class AttemptCounts(Counts):
    """What an attempt has used up so far. Engines count when a row or token is worked on, whatever becomes of it."""

    cpu_s: float = 0.0
    """Of the threads that work on the job between model calls."""
    demand: Demand | None = None
    """What the request asks for, once it is decoded."""


class ModelCounts(Counts):
    """The work on a model since the worker started. Written by the inference thread, read by others without a lock."""

    read_s: float = 0.0
    """Time of the calls that read rows."""
    write_s: float = 0.0
    """Time of the steps that decode tokens, with the choice of the tokens."""

    def reading(self) -> AbstractContextManager[None]:
        """Count the time of a block that reads rows."""
        return self._timing("read_s")

    def writing(self) -> AbstractContextManager[None]:
        """Count the time of a block that decodes tokens."""
        return self._timing("write_s")

    @contextmanager
    def _timing(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + time.perf_counter() - started)

    def count_row(self, attempt: AttemptCounts, num_tokens: int) -> None:
        """Count a row that is read in one call."""
        self.count_rows(attempt, 1, num_tokens)
        num_pairs = num_tokens * num_tokens
        self.token_pairs += num_pairs
        attempt.token_pairs += num_pairs

    def count_rows(self, attempt: AttemptCounts, num_rows: int, num_tokens: int) -> None:
        """Count rows of an attempt, or more tokens of rows that are counted already."""
        self.num_rows += num_rows
        self.tokens_in += num_tokens
        attempt.num_rows += num_rows
        attempt.tokens_in += num_tokens

    def count_tokens(self, attempt: AttemptCounts, num_tokens: int) -> None:
        """Count tokens that were decoded for an attempt."""
        self.tokens_out += num_tokens
        attempt.tokens_out += num_tokens
