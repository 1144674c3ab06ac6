"""What a task sees of its job: progress while it runs, an end when it must stop, and the count of what was read."""

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import ExecutionTimeout
from tests.support.tiny_package import tokenizer_json
from tests.support.waiting import PATIENCE_S, wait_until
from workers.runtime.attempts import control as control_module
from workers.runtime.attempts.control import Stopped
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


class Control:
    """A harness by hand, which lets the next row through when progress was told."""

    isolated = False

    def __init__(self, model: StepModel, timeout_s: float = PATIENCE_S) -> None:
        self.timeout_s = timeout_s
        self.told: list[int] = []
        self.stop = False
        self._model = model

    def stopped(self) -> bool:
        return self.stop

    def progress(self, num_done: int, num_parts: int | None = None) -> None:
        self.told.append(num_done)
        self._model.steps.release()


@pytest.fixture(autouse=True)
def short_period() -> Iterator[None]:
    before = control_module.PROGRESS_PERIOD_S
    control_module.PROGRESS_PERIOD_S = 0.005
    yield
    control_module.PROGRESS_PERIOD_S = before


@pytest.fixture
def model(tmp_path: Path) -> Iterator[StepModel]:
    model = StepModel(tmp_path)
    yield model
    model.steps.release(100)


def test_progress_grows_one_row_at_a_time(model: StepModel) -> None:
    control = Control(model)
    model.steps.release()
    results = Work(Engine(), control).infer(model, ["w1"] * 6, "error")
    assert len(results) == 6
    assert control.told == [1, 2, 3, 4, 5]


def test_usage_counts_what_came_in_and_what_was_read(model: StepModel) -> None:
    model.steps.release(3)
    work = Work(Engine(), Control(model))
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
        Work(engine, Control(model, timeout_s=0.02)).infer(model, ["w1"] * 50, "error")
    model.steps.release(100)
    wait_until(lambda: engine.busy_since is None, "still busy")
    assert model.num_calls == 1


def test_a_job_that_must_stop_stops(model: StepModel) -> None:
    control = Control(model)
    control.stop = True
    with pytest.raises(Stopped):
        Work(Engine(), control).infer(model, ["w1"] * 50, "error")
    model.steps.release(100)
