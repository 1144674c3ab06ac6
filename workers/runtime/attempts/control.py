"""How the harness, a running job and the engine that works for it speak to each other."""

import time
from collections.abc import Callable
from typing import Protocol

from contracts.errors import ExecutionTimeout
from contracts.jobs import Claim

PROGRESS_PERIOD_S = 0.5


class Stopped(Exception):
    """The job is not this worker's any more: cancelled, expired, deleted, or taken by another attempt."""


class Control(Protocol):
    """What a job's code, and an engine, know of its attempt."""

    claim: Claim
    timeout_s: float
    isolated: bool
    """Whether it must share no model call with other jobs."""

    def stopped(self) -> bool:
        """Return whether the job must stop."""
        ...

    def stop(self) -> None:
        """Note that the job must stop."""
        ...

    def progress(self, num_done: int, num_parts: int | None = None) -> None:
        """Tell how many inputs are done, or how many parts of all inputs, if there are more parts than inputs."""
        ...


class Awaited(Protocol):
    """A ticket of an engine."""

    @property
    def num_done(self) -> int:
        """Return how many of its parts are done."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is finished; return whether it is."""
        ...


def await_handle(
    handle: Awaited, control: Control, started: float, progress: Callable[[int], None] | None = None
) -> None:
    """Wait for an engine to finish a ticket, and tell progress meanwhile.

    Args:
        handle: what is waited for.
        control: of the job.
        started: when the attempt started, by ``time.perf_counter()``.
        progress: told how much of the ticket is done; None: ``control.progress``.

    Raises:
        ExecutionTimeout: the attempt has taken longer than its ``timeout_s``.
        Stopped: the job is no longer this worker's.
    """
    told = 0
    while True:
        left_s = started + control.timeout_s - time.perf_counter()
        if handle.wait(max(0.0, min(PROGRESS_PERIOD_S, left_s))):
            return
        if control.stopped():
            raise Stopped
        if left_s <= 0:
            raise ExecutionTimeout
        if handle.num_done > told:
            told = handle.num_done
            (progress or control.progress)(told)


def milliseconds(seconds: float) -> float:
    """Return a duration as timings tell it."""
    return round(seconds * 1000, 2)
