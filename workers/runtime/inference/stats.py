"""What a worker process knows of its engine, whichever kind it is: what it has done, and whether it is stuck."""

from collections.abc import Sequence
from typing import Protocol

from contracts.figures import GenerationFigures


class Stats:
    """What an engine has done since it started; read by the heartbeat."""

    def __init__(self) -> None:
        self.num_batches = 0
        self.num_rows = 0
        self.real_tokens = 0
        self.padded_tokens = 0

    def count(self, lengths: Sequence[int]) -> None:
        """Add one model call."""
        self.num_batches += 1
        self.num_rows += len(lengths)
        self.real_tokens += sum(lengths)
        self.padded_tokens += len(lengths) * max(lengths)


class Inference(Protocol):
    """The engine of a worker process, as far as it is watched."""

    @property
    def stats(self) -> Stats:
        """What it has done since it started."""
        ...

    @property
    def busy_since(self) -> float | None:
        """``time.monotonic()`` at the start of the model call that runs now."""
        ...

    def generation(self) -> GenerationFigures | None:
        """Return what it has written, if it writes texts."""
        ...
