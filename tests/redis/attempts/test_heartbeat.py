"""A worker's real heartbeat process: it announces, renews leases, is started again when it dies, and leaves."""

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import redis

from contracts.cards import ModelCard
from contracts.price.profile import ModelProfile
from contracts.settings import StoreSettings
from contracts.store.registry import Registry
from contracts.tasks.embed import EmbedRequest
from tests.redis.builders import TENANT, claimed
from tests.support.job_store import JobStore
from tests.support.processes import freeze
from tests.support.valkey import ValkeyServer
from tests.support.waiting import PATIENCE_S, wait_until
from workers.runtime.attempts.attempt import Attempt
from workers.runtime.attempts.intake import Intake
from workers.runtime.attempts.room import JobRoom
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.models.served import ServedModel, TaskHandler, TaskOutput
from workers.runtime.models.versions import Models, Version
from workers.runtime.price.prices import Prices
from workers.runtime.process.heartbeat.heartbeat import Heartbeat
from workers.runtime.process.heartbeat.messages import Start
from workers.runtime.process.shared_state import SharedState

LEASE_S = 1.0
PROFILE = ModelProfile(row_s=0.5)
WORKER = "w1"
MODEL = ModelCard(
    name="tiny", task="embed", family="encoder", revision="r1", licence="", description="", max_tokens=9
)  # fmt: skip


class Beating:
    """A heartbeat in this process, over a real store."""

    def __init__(self, server: ValkeyServer, store: JobStore) -> None:
        self.store = store
        shared, engine = SharedState(4), BatchingEngine()
        self.models = Models()
        self.serve(MODEL)
        prices = Prices(self.models)
        intake = Intake(store, WORKER, self.models, engine, shared=shared, room=JobRoom(1), prices=prices, max_jobs=4)
        self.held = intake.held
        start = Start(
            process="encoder",
            worker_id=WORKER,
            worker_pid=os.getpid(),
            redis_url=server.url,
            lease_s=LEASE_S,
            max_crashes=2,
            hard_limit_s=600,
            stall_s=600,
            state_file=shared.file,
            note=None,
        )
        self.heartbeat = Heartbeat(
            start, shared=shared, intake=intake, engine=engine, models=self.models, prices=prices
        )

    def serve(self, model: ModelCard) -> None:
        task = TaskHandler(EmbedRequest, _no_job)
        self.models.put(
            Version(ServedModel(None, model, task, partial(BatchWork, BatchingEngine()), PROFILE), "digest")
        )

    def hold_job(self) -> Attempt:
        attempt = Attempt(claimed(self.store, WORKER, model=MODEL.name))
        self.held.add(attempt)
        return attempt

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return wait_until(lambda: self.heartbeat._process, "no process was started")

    def lease_end(self, attempt: Attempt) -> Any:
        return self.store.client.zscore("triptych:due", attempt.claim.id)


def _no_job(*_: object) -> TaskOutput:
    raise AssertionError("no job was submitted")


@pytest.fixture
def beating(server: ValkeyServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beating]:
    # A worker that ends does not wait long for the farewell of its process; a busy machine may need longer for it.
    monkeypatch.setattr("workers.runtime.process.heartbeat.heartbeat.LAST_BEAT_S", PATIENCE_S)
    made = Beating(server, JobStore(client, StoreSettings(lease_s=LEASE_S)))
    made.heartbeat.start()
    made.heartbeat.announce_worker()
    yield made
    made.heartbeat.stop()


def test_worker_and_models_are_announced_and_the_worker_leaves(beating: Beating, client: redis.Redis) -> None:
    registry = Registry(client)
    (worker,) = wait_until(registry.workers, "the worker never said that it is alive")
    assert (worker.id, worker.pid) == (WORKER, os.getpid())
    assert registry.models() == {MODEL.name: MODEL}
    beating.heartbeat.stop()
    assert registry.workers() == [] and beating.process.wait() == 0


def test_a_new_version_is_announced_before_the_next_regular_announcement(beating: Beating, client: redis.Redis) -> None:
    registry = Registry(client)
    wait_until(registry.workers, "the worker never said that it is alive")
    newer = ModelCard(**{field: getattr(MODEL, field) for field in MODEL.__struct_fields__} | {"revision": "r2"})
    beating.serve(newer)
    beating.heartbeat.announce()
    wait_until(lambda: registry.models()[MODEL.name] == newer, "the new version was not announced")


def test_leases_are_renewed_and_survive_the_death_of_the_process(beating: Beating) -> None:
    attempt = beating.hold_job()
    first_end = beating.lease_end(attempt)
    wait_until(lambda: beating.lease_end(attempt) > first_end, "the lease was not renewed")
    killed = beating.process
    killed.kill()
    killed_at = beating.lease_end(attempt)
    # The worker renews the lease itself until there is another process, so the lease says nothing about the process.
    wait_until(lambda: beating.lease_end(attempt) > killed_at + LEASE_S, "nobody renews the lease")
    wait_until(lambda: beating.process.pid != killed.pid, "no other process was started")
    assert not attempt.should_stop


def test_a_process_that_hangs_is_replaced(beating: Beating) -> None:
    attempt = beating.hold_job()
    hanging = beating.process
    freeze(hanging.pid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.runtime.process.heartbeat.heartbeat.SILENCE_S", 3 * LEASE_S)
        wait_until(lambda: hanging.poll() is not None, "the process that hangs was not ended")
    # The next process has all the time that it needs for its start.
    stopped_at = beating.lease_end(attempt)
    wait_until(lambda: beating.lease_end(attempt) > stopped_at, "no other process renews the lease")


def test_a_cancelled_job_is_stopped(beating: Beating) -> None:
    attempt, other = beating.hold_job(), beating.hold_job()
    beating.store.cancel(attempt.claim.id, TENANT)
    wait_until(lambda: attempt.should_stop, "the attempt was not stopped")
    assert not other.should_stop
