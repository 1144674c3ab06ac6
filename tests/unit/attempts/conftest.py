"""An intake between a fake store and a fake model."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from contracts.store.attempt_store import AttemptStore
from tests.unit.attempts.fakes import BUDGET_BYTES, FakeEngine, FakeModel, FakeStore
from workers.runtime.attempts import intake as intake_module
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.room import JobRoom
from workers.runtime.models.versions import Models
from workers.runtime.price.prices import Prices
from workers.runtime.process.shared_state import SharedState

MAX_JOBS = 24
"""Of these, 18 for one flow."""
JOBS_A_TURN = 16
NUM_THREADS = 3
MakeIntake = Callable[..., Intake]


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "RETRY_PAUSE_S", 0.001)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        yield pool


@pytest.fixture
def make_intake(store: FakeStore, model: FakeModel, engine: FakeEngine, pool: ThreadPoolExecutor) -> MakeIntake:
    def make(models: Models | None = None, max_jobs: int = MAX_JOBS) -> Intake:
        models = model.served() if models is None else models
        intake = Intake(
            cast(AttemptStore, store),
            "w1",
            models,
            engine,
            shared=SharedState(max_jobs + 8),
            room=JobRoom(BUDGET_BYTES, 16),
            prices=Prices(models),
            max_jobs=max_jobs,
        )
        intake.start(pool, NUM_THREADS)
        return intake

    return make


@pytest.fixture
def intake(make_intake: MakeIntake) -> Intake:
    return make_intake()
