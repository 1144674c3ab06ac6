"""A worker that has given its jobs back runs none, even if Celery still brings their messages."""

from typing import cast

import pytest

from contracts.job_store import JobStore
from contracts.jobs import Claim
from tests.unit.test_harness import FakeModel, FakeStore
from workers.runtime.harness import Harness


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def harness(store: FakeStore, model: FakeModel) -> Harness:
    return Harness(cast(JobStore, store), "worker", {"echo": model})


@pytest.mark.parametrize("suspect", [False, True])
def test_messages_that_come_too_late_are_left_to_others(harness: Harness, store: FakeStore, suspect: bool) -> None:
    job_id = store.add(suspect=suspect)
    harness.drain(0.01)
    harness.accept(job_id, suspect=suspect)
    assert store.queued == {job_id} and store.attempts[job_id] == 0


def test_a_job_whose_claim_was_on_its_way_is_given_back(
    harness: Harness, store: FakeStore, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = store.claim

    def late(job_id: str, worker: str) -> Claim | None:
        claimed = claim(job_id, worker)
        harness.release_all()
        return claimed

    monkeypatch.setattr(store, "claim", late)
    job_id = store.add()
    harness.accept(job_id, suspect=False)
    assert store.queued == {job_id} and model.most_inside == 0 and not harness.running()
