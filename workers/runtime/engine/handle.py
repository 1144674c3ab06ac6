"""A request on its way through an engine, as the task that awaits it sees it."""

import time
from collections.abc import Generator, Sequence
from typing import Generic, Protocol, Self, TypeVar

from workers.runtime.attempts.attempt import Attempt

Model = TypeVar("Model")
Item = TypeVar("Item")
Result = TypeVar("Result")
POLL_S = 0.001


class Awaited(Protocol):
    """What a task waits for: it yields it, and goes on once it is finished."""

    @property
    def finished(self) -> bool:
        """Whether the task can go on."""
        ...


class Handover:
    """Awaited by a task before something that takes long: the pool goes on with it, until it waits again."""

    finished = True

    def __await__(self) -> Generator[Self, None, None]:
        """Hand the task over."""
        yield self

    def wait(self, timeout_s: float) -> bool:
        """Return at once."""
        return True


class RequestHandle(Generic[Model, Item, Result]):
    """A future for the results of one request: a model, and the items of one job that it is to run on.

    The engine's inference thread writes it, and resumes the attempt when it is finished; the job's task awaits it.
    Compared and hashed by identity.

    Args:
        model: the version of a model that all items run on.
        items: rows of a batching engine, or sequences that a decoding engine generates. Without items there is
            nothing to wait for.
        attempt: the job that the request belongs to.
    """

    def __init__(self, model: Model, items: Sequence[Item], attempt: Attempt) -> None:
        self.model = model
        self.items = items
        self.attempt = attempt
        self.num_parts = len(items)
        """What progress counts; as many as items, unless several of them make one part."""
        self.num_done = 0
        """Parts that have all their results."""
        self.wait_s = 0.0
        """From submission until the first item was scheduled."""
        self.infer_s = 0.0
        """Duration of all model calls that this request took part in."""
        self._created = time.perf_counter()
        self._results: list[Result | None] = [None] * len(items)
        self._num_missing = len(items)
        self._error: Exception | None = None
        self.finished = not items
        """Whether all results are there, or the request failed."""

    def __await__(self) -> Generator[Self, None, list[Result]]:
        """Wait in a task until the request is finished; return or raise as ``results``."""
        while not self.finished:
            yield self
        return self.results()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the request is finished, in programs that have no intake; return whether it is."""
        until = time.monotonic() + timeout_s
        while not self.finished and time.monotonic() < until:
            time.sleep(POLL_S)
        return self.finished

    def results(self) -> list[Result]:
        """Return one result for each item, in order.

        Raises:
            TriptychError: a model call failed.
            AttemptStopped: the engine found out that the job no longer belongs to this attempt.
            RuntimeError: not every item has a result: the request is not finished, or the model returned None.
        """
        if self._error is not None:
            raise self._error
        results = [result for result in self._results if result is not None]
        if len(results) != len(self.items):
            raise RuntimeError(f"{len(results)} of {len(self.items)} items have a result")
        return results

    @property
    def age_s(self) -> float:
        """Time since the submission."""
        return time.perf_counter() - self._created

    @property
    def has_started(self) -> bool:
        """Whether an item has joined a model call."""
        return self.wait_s > 0

    def mark_scheduled(self) -> None:
        """Note that an item joins a model call. Only the first time counts."""
        self.wait_s = self.wait_s or time.perf_counter() - self._created

    def set_result(self, index: int, result: Result) -> None:
        """Store the result of one item; with the last one the request is finished."""
        self._results[index] = result
        self._num_missing -= 1
        self.num_done += self._completes_part(index)
        # This comes last: another thread goes on with the task then, and reads everything above without a lock.
        if not self._num_missing:
            self._finish()

    def fail(self, error: Exception) -> None:
        """End the request without its results, unless it has them all."""
        # The task may have read complete results already, and a later failure does not make them wrong.
        if not self.finished:
            self._error = error
            self._finish()

    def _finish(self) -> None:
        self.finished = True
        self.attempt.resume()

    def _completes_part(self, index: int) -> bool:
        """Return whether a part is complete now that an item has its result."""
        return True
