"""Workers announce models and themselves, and are forgotten when they stop."""

import pytest
import redis

from contracts.cards import ModelCard, WorkerCard
from contracts.figures import DURATION_BOUNDS_S, Durations, GenerationFigures
from contracts.store.registry import MODEL_TTL_S, Registry
from tests.support.waiting import wait_until

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
