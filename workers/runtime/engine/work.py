"""What a task sees of the attempt that it works for: the job's id, an engine to run requests on, and a stopwatch."""

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from contracts.errors import ExecutionTimeout
from contracts.jobs import Timings
from workers.runtime.attempts.attempt import Attempt, AttemptStopped
from workers.runtime.engine.engine import Engine
from workers.runtime.engine.handle import Handover, RequestHandle

SHORT_S = 0.02
"""After this time, an attempt gives way to other threads when it checks. Jobs on short texts are prepared by then."""
TURN_S = 0.0005
"""Between giving way and doing so again, which costs a long text a third of its time. At every check it cost more than
half."""
GIVE_WAY_S = 0.0001
"""Not 0, or this thread would have Python's lock again before another one has woken up."""

AnyHandle = RequestHandle[Any, Any, Any]
AnyEngine = TypeVar("AnyEngine", bound=Engine)
Result = TypeVar("Result")


class Work(Generic[AnyEngine]):
    """One attempt at one job; its time starts when this is created. Each engine has a subclass, with its own requests.

    A task may run several requests one after another: progress and timings are those of all.
    """

    def __init__(self, engine: AnyEngine, attempt: Attempt) -> None:
        self.attempt = attempt
        self._engine = engine
        self._started_at = self._finished_at = time.perf_counter()
        self.ends_at = self._started_at + attempt.timeout_s
        """When the attempt must end, by ``time.perf_counter()``."""
        self._give_way_at = self._started_at + SHORT_S
        self._prepare_s = 0.0
        """Until the first request: tokenizing, for tasks on text."""
        self._handles: list[AnyHandle] = []

    @property
    def job_id(self) -> str:
        """Id of the job."""
        return self.attempt.claim.id

    @property
    def progress(self) -> tuple[int, int]:
        """How many parts of the job are done, and how many there are: its inputs, or what they were split into."""
        return sum(handle.num_done for handle in self._handles), sum(handle.num_parts for handle in self._handles)

    @property
    def has_begun(self) -> bool:
        """Whether anything of the job has been in a model call."""
        return any(handle.has_started for handle in self._handles)

    def check(self) -> None:
        """Return if the attempt may go on. What takes long before the first request calls it now and then.

        Python takes its lock from a thread only after 5 ms, and a step of the inference thread needs it many times:
        beside a text of megabytes that was split, a step of 3 ms took up to 300. So this also gives the lock away.

        Raises:
            ExecutionTimeout: the attempt has taken longer than its ``timeout_s``.
            AttemptStopped: the job no longer belongs to this attempt.
        """
        if self.attempt.should_stop:
            raise AttemptStopped
        if time.perf_counter() > self.ends_at:
            raise ExecutionTimeout
        if time.perf_counter() > self._give_way_at:
            time.sleep(GIVE_WAY_S)
            self._give_way_at = time.perf_counter() + TURN_S

    def hand_over(self) -> Handover:
        """Return what a quick task awaits before something that takes long, so that it does not keep others waiting."""
        return Handover()

    def timings(self) -> Timings:
        """Return where the attempt has spent its time up to now."""
        wait_s = infer_s = 0.0
        for handle in self._handles:
            wait_s += handle.wait_s
            infer_s += handle.infer_s
        return Timings(
            tokenize_ms=milliseconds(self._prepare_s),
            batch_wait_ms=milliseconds(wait_s),
            infer_ms=milliseconds(infer_s),
            post_ms=milliseconds(time.perf_counter() - self._finished_at),
        )

    async def _run(self, submit: Callable[[], RequestHandle[Any, Any, Result]]) -> list[Result]:
        """Submit a request, wait for its results, and return them.

        Raises:
            ExecutionTimeout: the attempt has taken longer than its ``timeout_s``.
            AttemptStopped: the job no longer belongs to this attempt.
            TriptychError: a model call failed.
        """
        if not self._handles:
            self._prepare_s = time.perf_counter() - self._started_at
        if time.perf_counter() > self.ends_at:  # a task is told once, perhaps while it waited for its stream
            raise ExecutionTimeout
        handle = submit()
        self._handles.append(handle)
        try:
            return await handle
        finally:
            # After a timeout or a stop, the rest must not take time of the engine that other jobs could use.
            self._engine.cancel(handle)
            self._finished_at = time.perf_counter()


def milliseconds(seconds: float) -> float:
    """Return a duration in milliseconds, rounded to 0.01."""
    return round(seconds * 1000, 2)
