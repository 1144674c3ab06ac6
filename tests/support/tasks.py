"""Drives the task of a job in the thread of a test, as the intake of a worker drives it."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from contracts.jobs import Answer
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.models.served import ServedModel

Result = TypeVar("Result")
TIMEOUT_S = 60.0


def complete(task: Coroutine[Any, None, Result], timeout_s: float = TIMEOUT_S) -> Result:
    """Let a task go on until it ends, waiting for whatever it awaits; return its result or raise its error."""
    try:
        while True:
            awaited = task.send(None)
            assert awaited.wait(timeout_s), "what the task waits for did not come"
    except StopIteration as end:
        return end.value


def answer(served: ServedModel, attempt: Attempt, timeout_s: float = TIMEOUT_S) -> Answer:
    """Run one job on a model; return its answer or raise its error."""
    return complete(served.start(attempt).task, timeout_s)
