"""Progress, timings, timeouts and stops of the work that a task submits."""

import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from contracts.errors import ExecutionTimeout
from contracts.jobs import Answer
from tests.support.attempts import make_attempt
from tests.support.tasks import complete
from tests.support.waiting import PATIENCE_S, wait_until
from tests.unit.batching.fakes import FakeRow, rows_of
from workers.runtime.attempts.running_job import RunningJob
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.engine import work as work_module
from workers.runtime.inference.session import Array


class StepModel:
    """Answers one row in each call, and each call waits for one release of ``steps``."""

    name = "steps"
    max_batch_length = max_shared_length = 1
    max_padding = 1.0
    pair_cost = 0.0

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


@pytest.fixture
def model() -> Iterator[StepModel]:
    model = StepModel()
    yield model
    model.steps.release(200)


def start(model: StepModel, lengths: Sequence[Sequence[int]]) -> tuple[RunningJob, BatchWork]:
    """Return a job whose task runs several requests, one after another; it waits for the first."""
    attempt = make_attempt()
    work = BatchWork(BatchingEngine(), attempt)

    async def infer_all() -> Answer:
        for its_lengths in lengths:
            assert len(await work.infer(model, rows_of(its_lengths))) == len(its_lengths)
        return Answer(output=b"1", usage=b"", timings=b"", model_revision="1")

    job = RunningJob(attempt, work, infer_all(), is_quick=True)
    assert job.advance() is None
    return job, work


def test_progress_grows_one_row_at_a_time(model: StepModel) -> None:
    job, _ = start(model, [[3] * 6])
    assert job.new_progress() is None
    for number in range(1, 7):
        model.steps.release()
        assert wait_until(job.new_progress, "there is no progress") == (number, 6)
        assert job.new_progress() is None, "progress is told twice"
    wait_until(lambda: job.can_go_on, "the request is not finished")
    outcome = job.advance()
    assert outcome is not None and outcome.status == "succeeded"


def test_a_task_may_submit_several_requests_and_its_progress_continues(model: StepModel) -> None:
    job, work = start(model, [[3] * 3, [3] * 2])
    model.steps.release(3)
    wait_until(lambda: job.can_go_on, "the first request is not finished")
    assert work.progress == (3, 3) and job.advance() is None
    model.steps.release()
    wait_until(lambda: work.progress == (4, 5), "progress does not continue")


def test_timings_are_those_of_all_requests(model: StepModel, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not rounded, because a model call of this model may take less than 0.01 ms.
    monkeypatch.setattr(work_module, "milliseconds", lambda seconds: seconds * 1000)
    model.steps.release(2)
    work = BatchWork(BatchingEngine(), make_attempt())
    assert (work.timings().infer_ms, work.timings().batch_wait_ms) == (0, 0)
    complete(work.infer(model, rows_of([1])))
    once = work.timings()
    complete(work.infer(model, rows_of([1])))
    twice = work.timings()
    assert 0 < once.infer_ms < twice.infer_ms and 0 < once.batch_wait_ms < twice.batch_wait_ms
    assert once.tokenize_ms == twice.tokenize_ms, "the time before the first request must not change"


def test_a_job_that_runs_too_long_ends_and_its_rows_are_dropped(model: StepModel) -> None:
    job, work = start(model, [[3] * 50])
    assert model.entered.wait(PATIENCE_S) and not job.must_end
    work.ends_at = time.perf_counter()
    wait_until(lambda: job.must_end, "the job has time")
    outcome = job.advance()
    assert outcome is not None and outcome.fields["error_code"] == ExecutionTimeout().code
    last = work._engine.submit(model, rows_of([3]), make_attempt())
    model.steps.release(100)
    assert last.wait(PATIENCE_S)
    assert model.num_calls == 2, "a row of the job that has ended was run"


def test_what_is_finished_counts_although_time_is_over(model: StepModel) -> None:
    job, work = start(model, [[3]])
    model.steps.release()
    wait_until(lambda: work.progress == (1, 1), "the row does not run")
    work.ends_at = time.perf_counter()
    wait_until(lambda: time.perf_counter() > work.ends_at, "time stands still")
    outcome = job.advance()
    assert outcome is not None and outcome.status == "succeeded"


def test_after_its_time_a_task_submits_nothing_more(model: StepModel) -> None:
    """It may have been told while it waited for the end of a stream, and have gone on to return what it has."""
    job, work = start(model, [[3], [3]])
    model.steps.release()
    wait_until(lambda: work.progress == (1, 1), "the row does not run")
    work.ends_at = time.perf_counter()
    wait_until(lambda: time.perf_counter() > work.ends_at, "time stands still")
    outcome = job.advance()
    assert outcome is not None and outcome.fields["error_code"] == ExecutionTimeout().code


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_job_that_must_stop_stops_and_its_rows_are_dropped(model: StepModel, has_begun: bool) -> None:
    job, work = start(model, [[3] * 50])
    if not has_begun:
        job = RunningJob(job.attempt, work, _never(), is_quick=True)
    job.attempt.stop()
    outcome = job.advance()
    assert outcome is not None and (outcome.status, dict(outcome.fields)) == ("cancelled", {})
    assert work.progress[0] <= 1


async def _never() -> Answer:
    raise AssertionError("the task has begun")
