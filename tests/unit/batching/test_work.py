"""Progress, timings, timeouts and stops of the work that a task submits."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from contracts.errors import ExecutionTimeout
from contracts.jobs import Claim
from tests.support.attempts import make_attempt
from tests.support.waiting import PATIENCE_S
from tests.unit.batching.fakes import FakeRow, rows_of
from workers.runtime.attempts.attempt import AttemptStopped
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.engine import work as work_module
from workers.runtime.inference.session import Array


class StepModel:
    """Answers one row in each call, and each call waits for one release of ``steps``."""

    name = "steps"
    max_batch_length = 1
    max_padding = 1.0

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.steps = threading.Semaphore(0)
        self.num_calls = 0

    def fits(self, num_rows: int, longest: int) -> bool:
        return True

    def run(self, rows: Sequence[FakeRow]) -> list[Array]:
        self.entered.set()
        assert self.steps.acquire(timeout=PATIENCE_S)
        self.num_calls += 1
        return [np.array([row.length], np.float32) for row in rows]


@pytest.fixture(autouse=True)
def short_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_module, "PROGRESS_PERIOD_S", 0.005)


@pytest.fixture
def model() -> Iterator[StepModel]:
    model = StepModel()
    yield model
    model.steps.release(200)


class Progress:
    """Records progress, and then releases the next row.

    That all rows are done may be reported or not: the thread that waits looks at its watch just before it hears of it.
    """

    def __init__(self, model: StepModel) -> None:
        self.reported: list[tuple[int, int]] = []
        self._model = model

    def record(self, claim: Claim, num_done: int, num_parts: int) -> None:
        if num_done < num_parts:
            self.reported.append((num_done, num_parts))
            self._model.steps.release()


def test_progress_grows_one_row_at_a_time(model: StepModel) -> None:
    progress = Progress(model)
    model.steps.release()
    results = BatchWork(BatchingEngine(), make_attempt(record_progress=progress.record)).infer(model, rows_of([3] * 6))
    assert len(results) == 6
    assert progress.reported == [(number, 6) for number in range(1, 6)]


def test_a_task_may_submit_several_requests_and_its_progress_continues(model: StepModel) -> None:
    progress = Progress(model)
    work = BatchWork(BatchingEngine(), make_attempt(record_progress=progress.record))
    model.steps.release()
    work.infer(model, rows_of([3] * 3))
    model.steps.release()
    work.infer(model, rows_of([3] * 2))
    assert progress.reported == [(1, 3), (2, 3), (4, 5)]


def test_timings_are_those_of_all_requests(model: StepModel, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not rounded, because a model call of this model may take less than 0.01 ms.
    monkeypatch.setattr(work_module, "milliseconds", lambda seconds: seconds * 1000)
    model.steps.release(2)
    work = BatchWork(BatchingEngine(), make_attempt())
    assert (work.timings().infer_ms, work.timings().batch_wait_ms) == (0, 0)
    work.infer(model, rows_of([1]))
    once = work.timings()
    work.infer(model, rows_of([1]))
    twice = work.timings()
    assert 0 < once.infer_ms < twice.infer_ms and 0 < once.batch_wait_ms < twice.batch_wait_ms
    assert once.tokenize_ms == twice.tokenize_ms, "the time before the first request must not change"


def test_a_job_that_runs_too_long_ends_and_its_rows_are_dropped(model: StepModel) -> None:
    engine = BatchingEngine()
    first = engine.submit(model, rows_of([3]), make_attempt())
    assert model.entered.wait(PATIENCE_S)
    with pytest.raises(ExecutionTimeout):
        BatchWork(engine, make_attempt(timeout_s=0.02)).infer(model, rows_of([3] * 50))
    last = engine.submit(model, rows_of([3]), make_attempt())
    model.steps.release(100)
    assert first.wait(PATIENCE_S) and last.wait(PATIENCE_S)
    assert model.num_calls == 2, "jobs take turns: a row of the one that ended would have run before the last"


def test_a_job_that_must_stop_stops(model: StepModel) -> None:
    attempt = make_attempt()
    attempt.stop()
    with pytest.raises(AttemptStopped):
        BatchWork(BatchingEngine(), attempt).infer(model, rows_of([3] * 50))
