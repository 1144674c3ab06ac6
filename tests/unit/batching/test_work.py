"""What a task sees of its job: progress while it runs, an end when it must stop, and the count of what was read."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import ExecutionTimeout
from contracts.jobs import Claim
from tests.support.attempts import make_attempt
from tests.support.tiny_package import tokenizer_json
from tests.support.waiting import PATIENCE_S, wait_until
from workers.runtime.attempts import attempt as attempt_module
from workers.runtime.attempts.attempt import AttemptStopped
from workers.runtime.batching.engine import Engine
from workers.runtime.batching.work import Work
from workers.runtime.inference.session import Array
from workers.runtime.tokenizing.tokenizer import Row, Tokenizer


class StepModel:
    """Answers one row a call, each call when it is let through."""

    name = "steps"
    max_batch_tokens = 1
    max_padding = 1.0

    def __init__(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_text(tokenizer_json())
        self.tokenizer = Tokenizer(folder / "tokenizer.json", 6)
        self.steps = threading.Semaphore(0)
        self.num_calls = 0

    def run(self, rows: Sequence[Row]) -> list[Array]:
        assert self.steps.acquire(timeout=PATIENCE_S)
        self.num_calls += 1
        return [np.array([row.num_tokens], np.float32) for row in rows]


@pytest.fixture(autouse=True)
def short_period() -> Iterator[None]:
    before = attempt_module.PROGRESS_PERIOD_S
    attempt_module.PROGRESS_PERIOD_S = 0.005
    yield
    attempt_module.PROGRESS_PERIOD_S = before


@pytest.fixture
def model(tmp_path: Path) -> Iterator[StepModel]:
    model = StepModel(tmp_path)
    yield model
    model.steps.release(100)


def test_progress_grows_one_row_at_a_time(model: StepModel) -> None:
    reported: list[int] = []

    def let_the_next_row_through(claim: Claim, num_done: int, num_parts: int | None) -> None:
        reported.append(num_done)
        model.steps.release()

    model.steps.release()
    work = Work(Engine(), make_attempt(record_progress=let_the_next_row_through))
    assert len(work.infer(model, ["w1"] * 6, "error")) == 6
    assert reported == [1, 2, 3, 4, 5]


def test_usage_counts_what_came_in_and_what_was_read(model: StepModel) -> None:
    model.steps.release(3)
    work = Work(Engine(), make_attempt())
    work.infer(model, ["w1 w2", "w1 w2 w3 w4", "w1 w2 w3 w4 w5 w6"], "left")
    assert json.loads(work.usage()) == {
        "items": 3,
        "tokens_in": 4 + 6 + 8,
        "tokens_used": 4 + 6 + 6,
        "truncated_items": 1,
    }
    timings = json.loads(work.timings())
    assert set(timings) >= {"infer_ms"} and all(value >= 0 for value in timings.values())


def test_a_job_that_runs_too_long_ends_and_its_rows_are_dropped(model: StepModel) -> None:
    engine = Engine()
    with pytest.raises(ExecutionTimeout):
        Work(engine, make_attempt(timeout_s=0.02)).infer(model, ["w1"] * 50, "error")
    model.steps.release(100)
    wait_until(lambda: engine.busy_since is None, "still busy")
    assert model.num_calls == 1


def test_a_job_that_must_stop_stops(model: StepModel) -> None:
    attempt = make_attempt()
    attempt.stop()
    with pytest.raises(AttemptStopped):
        Work(Engine(), attempt).infer(model, ["w1"] * 50, "error")
    model.steps.release(100)
