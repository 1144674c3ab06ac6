"""A job that a worker runs: its attempt, and its task, which waits for model calls without a thread."""

import logging
import time
from collections.abc import Coroutine
from typing import Any

from contracts.errors import ExecutionTimeout, OutOfMemory, TriptychError
from contracts.jobs import Answer
from contracts.store.attempts.outcomes import Outcome, failed, stopped, succeeded
from workers.runtime.attempts.attempt import Attempt, AttemptStopped
from workers.runtime.engine.handle import Awaited, Handover
from workers.runtime.engine.work import Work

logger = logging.getLogger(__name__)


class RunningJob:
    """One job's task, driven by its methods. One thread at a time may call them.

    Whatever the task does, it ends with an outcome. Errors that a client can act on keep their text. All others are
    logged, and the client gets a fixed sentence without details.

    Args:
        attempt: at the job.
        work: what the task has done so far.
        task: awaits `Awaited` objects only, and returns the answer.
        is_quick: whether ``advance`` takes less than a millisecond for a short request, except after a `Handover`.
    """

    def __init__(
        self, attempt: Attempt, work: Work[Any], task: Coroutine[Awaited, None, Answer], *, is_quick: bool
    ) -> None:
        self.attempt = attempt
        self._is_quick = is_quick
        self._work = work
        self._progress = (0, 0)
        self.task = task
        self._awaited: Awaited | None = None
        self._told_to_end = False

    @property
    def is_quick(self) -> bool:
        """Whether ``advance`` takes less than a millisecond now, for a short request."""
        return self._is_quick and not isinstance(self._awaited, Handover)

    @property
    def has_begun(self) -> bool:
        """Whether anything of the job has been in a model call."""
        return self._work.has_begun

    @property
    def can_go_on(self) -> bool:
        """Whether the task has not begun, or what it waits for is there, or it must end."""
        return self._awaited is None or self._awaited.finished or self.must_end

    @property
    def must_end(self) -> bool:
        """Whether the task is to be told that its job is no longer this attempt's, or that its time is over."""
        if self._told_to_end:  # once: it may wait for something while it cleans up
            return False
        if self.attempt.should_stop:
            return True
        # What is finished counts, even if time is over by now: the work is done.
        is_finished = self._awaited is not None and self._awaited.finished
        return not is_finished and time.perf_counter() > self._work.ends_at

    def new_progress(self) -> tuple[int, int] | None:
        """Return how many parts are done, of how many, if there are more of them than at the last call."""
        progress = self._work.progress
        if progress[0] <= self._progress[0]:
            return None
        self._progress = progress
        return progress

    def advance(self) -> Outcome | None:
        """Let the task go on until it waits again; return its outcome if it has ended instead."""
        claim = self.attempt.claim
        try:
            self._awaited = self._go_on()
            return None
        except StopIteration as end:
            return succeeded(claim, end.value)
        except AttemptStopped:
            return stopped(claim)
        except TriptychError as error:
            return failed(claim, error)
        except MemoryError:
            return failed(claim, OutOfMemory())
        except BaseException:  # SystemExit and panics of native libraries must fail the job and not end the worker
            logger.exception("job failed", extra=claim.log_fields)
            return failed(claim, TriptychError())

    def _go_on(self) -> Awaited:
        if self.must_end:
            self._told_to_end = True
            awaited = self.task.throw(AttemptStopped() if self.attempt.should_stop else ExecutionTimeout())
        else:
            awaited = self.task.send(None)
        if not hasattr(awaited, "finished"):
            raise TypeError(f"a task can't await {type(awaited).__name__}")
        return awaited
