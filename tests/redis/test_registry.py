"""Workers announce models and themselves, and are forgotten when they stop."""

from functools import partial

import pytest
import redis

from contracts.cards import ModelCard, WorkerCard
from contracts.figures import DURATION_BOUNDS_S, Durations, GenerationFigures
from contracts.store.registry import MODEL_TTL_S, Registry
from contracts.tasks.embed import EmbedRequest
from tests.support.job_store import JobStore
from tests.support.waiting import wait_until
from workers.runtime.attempts.held import HeldAttempts
from workers.runtime.batching.engine import BatchingEngine
from workers.runtime.batching.work import BatchWork
from workers.runtime.models.served import ServedModel, TaskHandler, TaskOutput
from workers.runtime.models.versions import Models, Version
from workers.runtime.process.heartbeat import Heartbeat
from workers.runtime.process.watchdog import Watchdog

MODEL = ModelCard(
    name="minilm",
    task="embed",
    family="encoder",
    revision="r1",
    licence="Apache-2.0",
    description="Small.",
    max_tokens=256,
    dimensions=384,
)


@pytest.fixture
def registry(client: redis.Redis) -> Registry:
    return Registry(client)


def worker(name: str) -> WorkerCard:
    """Return a heartbeat with every field set."""
    spread = Durations([1] * (len(DURATION_BOUNDS_S) + 1), 2.5)
    counts = {field: 1 for field in GenerationFigures.__struct_fields__ if field not in ("first_token", "token_gap")}
    generation = GenerationFigures(**counts, first_token=spread, token_gap=spread)
    fields: dict[str, object] = {"id": name, "host": "h", "models": ["minilm"], "generation": generation}
    numbers = {field: 1 for field in WorkerCard.__struct_fields__ if field not in fields}
    return WorkerCard(**(fields | numbers))


def no_job(*_: object) -> TaskOutput:
    raise AssertionError("no job was submitted")


class Watched(Registry):
    """Records which models are known whenever a worker announces that it is alive."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self.known: list[set[str]] = []

    def beat(self, card: WorkerCard, ttl_s: float) -> None:
        self.known.append(set(self.models()))
        super().beat(card, ttl_s)


def test_models_are_announced_before_their_worker(store: JobStore, client: redis.Redis) -> None:
    """A worker that is killed in between would otherwise leave a gateway that sees no model and is never ready."""
    registry, models, engine = Watched(client), Models(), BatchingEngine()
    models.put(
        Version(ServedModel(None, MODEL, TaskHandler(EmbedRequest, no_job), partial(BatchWork, engine)), "digest")
    )
    heartbeat = Heartbeat(
        "w1",
        store=store,
        queues=store,
        registry=registry,
        held=HeldAttempts(store),
        engine=engine,
        models=models,
        watchdog=Watchdog(hard_limit_s=600, stall_s=30),
    )
    heartbeat.start()
    wait_until(lambda: registry.known, "the worker never said that it is alive")
    heartbeat.stop()
    assert registry.known[0] == {MODEL.name}


def test_an_empty_store_knows_nothing(registry: Registry) -> None:
    assert registry.models() == {} and registry.workers() == []


def test_an_announced_model_is_known_for_a_week(registry: Registry, client: redis.Redis) -> None:
    registry.announce(MODEL)
    assert registry.models() == {"minilm": MODEL}
    assert client.ttl("triptych:model:minilm") == pytest.approx(MODEL_TTL_S, abs=10)


def test_a_model_nobody_announced_for_a_week_is_forgotten(registry: Registry, client: redis.Redis) -> None:
    registry.announce(MODEL)
    client.delete("triptych:model:minilm")
    assert registry.models() == {}
    assert client.keys() == []


def test_a_worker_is_alive_while_it_beats(registry: Registry) -> None:
    for name in ("w2", "w1"):
        registry.beat(worker(name), ttl_s=60)
    assert [card.id for card in registry.workers()] == ["w1", "w2"]
    registry.beat(worker("w1"), ttl_s=0.05)
    wait_until(lambda: [card.id for card in registry.workers()] == ["w2"], "a dead worker is still listed")


def test_a_worker_that_leaves_is_gone_at_once(registry: Registry, client: redis.Redis) -> None:
    registry.beat(worker("w1"), ttl_s=60)
    registry.leave("w1")
    assert registry.workers() == []
    assert client.keys() == []
