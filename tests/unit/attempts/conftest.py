"""A job runner between a fake store and a fake model."""

from typing import cast

import pytest
from workers.runtime.attempts.runner import JobRunner

from contracts.store.attempt_store import AttemptStore
from tests.unit.attempts.fakes import BUDGET_BYTES, FakeModel, FakeStore
from workers.runtime.attempts import runner as runner_module
from workers.runtime.attempts.room import JobRoom
from workers.runtime.process.shared_state import SharedState


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "RETRY_PAUSE_S", 0.001)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def runner(store: FakeStore, model: FakeModel) -> JobRunner:
    return JobRunner(cast(AttemptStore, store), "w1", model.served(), SharedState(16), JobRoom(BUDGET_BYTES, 16))
