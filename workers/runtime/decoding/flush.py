"""What a task awaits at the end of its stream: that all of its deltas are in the store."""

import threading
from collections.abc import Generator
from typing import Self

from workers.runtime.attempts.attempt import Attempt


class Flush:
    """Finished when all deltas of an attempt are published.

    A store that is out of reach takes no end of the job either, so this has no limit but the attempt's own.

    Args:
        attempt: is resumed when its deltas are published.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._published = threading.Event()

    @property
    def finished(self) -> bool:
        """Whether the task can go on."""
        return self._published.is_set()

    def __await__(self) -> Generator[Self, None, None]:
        """Wait in a task until it is finished."""
        while not self.finished:
            yield self

    def wait(self, timeout_s: float) -> bool:
        """Wait until all deltas are published; return whether they are."""
        return self._published.wait(timeout_s)

    def end(self) -> "Flush":
        """Note that all deltas are published; return this."""
        self._published.set()
        self.attempt.resume()
        return self
