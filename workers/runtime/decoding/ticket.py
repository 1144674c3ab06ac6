"""One job's texts on their way through the decoding loop, as the thread that waits for them sees it."""

import threading
import time
from collections import Counter
from collections.abc import Sequence

from workers.runtime.control import Control
from workers.runtime.decoding.order import Order, Written


class Ticket:
    """Written by the inference thread, waited for by the job's own. Compared and hashed by identity."""

    def __init__(self, orders: Sequence[Order], control: Control) -> None:
        self.orders = orders
        self.control = control
        self.num_done = 0
        """Inputs of which all texts are written."""
        self.wait_s = 0.0
        """Until the first of its texts got a place."""
        self.infer_s = 0.0
        """Model calls with one of its texts."""
        self.first_token_s = 0.0
        """Until the first token of any of its texts."""
        self._results: list[Written | None] = [None] * len(orders)
        self._left = Counter(order.input for order in orders)
        self._num_left = len(orders)
        self._error: Exception | None = None
        self._finished = threading.Event()
        self._created = time.perf_counter()
        if not orders:
            self._finished.set()

    @property
    def finished(self) -> bool:
        """Whether all texts are written, or the ticket failed."""
        return self._finished.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all texts are written or the ticket failed; return whether that is so."""
        return self._finished.wait(timeout_s)

    def results(self) -> list[Written]:
        """Return the texts in the order in which they were asked for.

        Raises:
            TriptychError: a model call failed.
            Stopped: the job is no longer this worker's.
            RuntimeError: the ticket is not finished.
        """
        if self._error is not None:
            raise self._error
        written = [result for result in self._results if result is not None]
        if len(written) != len(self.orders):
            raise RuntimeError(f"{len(written)} of {len(self.orders)} texts are written")
        return written

    def started(self) -> None:
        """Note that one of its texts has a place."""
        self.wait_s = self.wait_s or time.perf_counter() - self._created

    def has_token(self) -> float | None:
        """Note that one of its texts has a token; return how long the first of all took, if this is it."""
        if self.first_token_s:
            return None
        self.first_token_s = time.perf_counter() - self._created
        return self.first_token_s

    def settle(self, index: int, written: Written) -> None:
        """Store one text."""
        self._results[index] = written
        self._num_left -= 1
        self._left[written.order.input] -= 1
        self.num_done += not self._left[written.order.input]
        if not self._num_left:
            self._finished.set()

    def fail(self, error: Exception) -> None:
        """End the ticket without its texts, unless it has them all."""
        if not self._finished.is_set():
            self._error = error
            self._finished.set()
