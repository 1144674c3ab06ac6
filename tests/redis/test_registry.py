"""Workers announce models and themselves, and are forgotten when they stop."""

import pytest
import redis

from contracts.registry import MODEL_TTL_S, ModelCard, Registry, WorkerCard
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
    fields: dict[str, object] = {"id": name, "host": "h", "models": ["minilm"]}
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
    registry.beat(worker("w2"), ttl_s=60)
    registry.beat(worker("w1"), ttl_s=0.3)
    assert [card.id for card in registry.workers()] == ["w1", "w2"]
    wait_until(lambda: [card.id for card in registry.workers()] == ["w2"], 5.0, "a dead worker is still listed")


def test_a_worker_that_leaves_is_gone_at_once(registry: Registry, client: redis.Redis) -> None:
    registry.beat(worker("w1"), ttl_s=60)
    registry.leave("w1")
    assert registry.workers() == []
    assert client.keys() == []
