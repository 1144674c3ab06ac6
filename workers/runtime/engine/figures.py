"""What an engine has done and does now, as the heartbeat reports it."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from contracts.figures import GenerationFigures
from workers.runtime.price.counts import ModelCounts


@dataclass(frozen=True)
class EngineFigures:
    """Figures of an engine since it started. Lengths are in the unit of its rows: tokens, pixels, audio frames."""

    num_batches: int
    """Model calls."""
    num_rows: int
    real_length: int
    """Sum of the lengths of all rows."""
    padded_length: int
    """The same with padding: each row as long as the longest of its batch."""
    busy_since: float | None
    """``time.monotonic()`` at the start of the model call that is running, or None between calls."""
    generation: GenerationFigures | None = None
    """Of engines that generate token by token."""
    models: Mapping[str, ModelCounts] = field(default_factory=dict)
    """Work on each model, by name."""


class CallCounter:
    """Counts the model calls of one inference thread."""

    def __init__(self) -> None:
        # No lock: one thread writes, and for a heartbeat it does not matter if two counts are one call apart.
        self.num_batches = 0
        self.num_rows = 0
        self.real_length = 0
        self.padded_length = 0
        self.busy_since: float | None = None
        self.models: defaultdict[str, ModelCounts] = defaultdict(ModelCounts)
        """By name."""

    @contextmanager
    def running(self, lengths: Sequence[int]) -> Iterator[None]:
        """Mark a model call on rows of these lengths as running, and count it unless it fails."""
        self.busy_since = time.monotonic()
        try:
            yield
        finally:
            # Also after a failure, or the watchdog would end a worker that is idle.
            self.busy_since = None
        self.num_batches += 1
        self.num_rows += len(lengths)
        self.real_length += sum(lengths)
        self.padded_length += len(lengths) * max(lengths)

    def figures(self, generation: GenerationFigures | None = None) -> EngineFigures:
        """Return the counts as they stand."""
        return EngineFigures(
            num_batches=self.num_batches,
            num_rows=self.num_rows,
            real_length=self.real_length,
            padded_length=self.padded_length,
            busy_since=self.busy_since,
            generation=generation,
            models=dict(self.models),
        )
