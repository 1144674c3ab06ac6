"""A model that answers each row with its own number, and what tests do with it and the engine."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from workers.runtime.batching.engine import BatchHandle, BatchingEngine
from workers.runtime.inference.session import Array
from workers.runtime.tokenizing.tokenizer import TokenRow

TRIGGER = 666


def row(number: int, length: int = 5) -> TokenRow:
    ids = np.full(length, number, np.int64)
    return TokenRow(ids, np.zeros_like(ids), length)


class Echo:
    """Answers each row with its own number; its calls can be blocked, and made to fail on the trigger row."""

    max_batch_length = 512
    max_shared_length = 512
    max_padding = 1.05
    pair_cost = 0.0

    def __init__(self, name: str = "echo") -> None:
        self.name = name
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.failure: Callable[[], BaseException] | None = None
        self.answer: Callable[[list[Array]], Any] = lambda results: results

    def fits(self, num_rows: int, longest: int) -> bool:
        return True

    def run(self, rows: Sequence[TokenRow]) -> Sequence[Array]:
        numbers = [int(row.token_ids[0]) for row in rows]
        self.batches.append(numbers)
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        if self.failure and TRIGGER in numbers:
            raise self.failure()
        answers: Sequence[Array] = self.answer([np.array([number], np.float32) for number in numbers])
        return answers


def submit(engine: BatchingEngine, model: Echo, rows: Sequence[TokenRow], *, group: str = "") -> BatchHandle:
    return engine.submit(model, rows, make_attempt(group=group))


def numbers_of(handle: BatchHandle) -> list[int]:
    assert handle.wait(PATIENCE_S)
    return [int(result[0]) for result in handle.results()]


def hold(engine: BatchingEngine, model: Echo) -> BatchHandle:
    """Block the inference thread in a model call until ``model.gate`` is set."""
    model.gate.clear()
    handle = submit(engine, model, [row(1, 400)])
    assert model.entered.acquire(timeout=PATIENCE_S)
    return handle
