"""Workers announce models and themselves, and are forgotten when they stop."""

import msgspec
import pytest
import redis

from contracts.cards import ModelCard, WorkerCard
from contracts.figures import DURATION_BOUNDS_S, Durations, GenerationFigures
from contracts.store.registry import MODEL_TTL_S, Registry
from tests.redis.builders import all_at_once
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


def test_an_announcement_that_cannot_be_read_hides_no_other(registry: Registry, client: redis.Redis) -> None:
    """A worker of another version may have written it."""
    registry.announce(MODEL)
    client.set("triptych:model:odd", msgspec.json.encode({"name": "odd", "quality": {"accuracy": None}}))
    client.set("triptych:worker:odd", b"{")
    client.sadd("triptych:models", "odd")
    client.sadd("triptych:workers", "odd")
    registry.beat(worker("w1"), ttl_s=60)
    assert registry.models() == {"minilm": MODEL}
    assert registry.workers() == [worker("w1")]


def test_a_model_nobody_announced_for_a_week_is_forgotten(registry: Registry, client: redis.Redis) -> None:
    registry.announce(MODEL)
    client.delete("triptych:model:minilm")
    assert registry.models() == {}
    assert client.keys() == [b"triptych:default_models"]


def named(name: str, task: str = "embed") -> ModelCard:
    """Return a card of another name or task."""
    return msgspec.structs.replace(MODEL, name=name, task=task)


def test_the_first_model_of_a_task_is_its_default_and_stays_it(registry: Registry) -> None:
    registry.announce(named("starter"))
    registry.announce(named("aaa"), named("starter"), named("zzz", "classify"), named("bbb", "classify"))
    registry.announce(named("aaa", "classify"))
    known = registry.known()
    assert known.defaults == {"embed": "starter", "classify": "bbb"}, "of one announcement it is the first by name"
    assert [card.name for card in known.of_task("embed")] == ["starter"]
    assert [card.name for card in known.of_task("classify")] == ["aaa", "bbb", "zzz"]


def test_models_that_were_known_first_come_first(registry: Registry) -> None:
    for names in (["m2", "m1"], ["a"], ["m1", "m2", "a", "b"]):
        registry.announce(*(named(name) for name in names))
    assert [card.name for card in registry.known().of_task("embed")] == ["m1", "m2", "a", "b"]
    assert list(registry.models()) == ["a", "b", "m1", "m2"]


def test_a_default_that_is_gone_stays_until_somebody_changes_it(registry: Registry, client: redis.Redis) -> None:
    registry.announce(named("first"))
    registry.announce(named("second"), named("third"))
    client.delete("triptych:model:first")
    registry.announce(named("second"), named("third"))
    assert registry.known().default_of("embed") == "first"
    registry.set_default("embed", "third")
    registry.announce(named("second"), named("third"))
    assert registry.known().default_of("embed") == "third"
    assert registry.forget_default("embed") and not registry.forget_default("embed")
    assert registry.known().default_of("embed") == "second"
    registry.announce(named("aaa"))
    assert registry.known().defaults == {"embed": "second"}


def test_a_store_without_records_keeps_the_model_that_it_knows(registry: Registry, client: redis.Redis) -> None:
    """As after an update: workers of older versions announced models, and recorded nothing."""
    for name in ("m2", "m1"):
        client.set(f"triptych:model:{name}", msgspec.json.encode(named(name)))
        client.sadd("triptych:models", name)
    assert registry.known().default_of("embed") == "m1"
    registry.announce(named("aaa"))
    assert registry.known().defaults == {"embed": "m1"}
    client.flushall()
    registry.announce(named("aaa"), named("m1"))
    assert registry.known().defaults == {"embed": "aaa"}, "a store that has lost its data starts anew"


def test_workers_that_start_at_once_agree_on_one_default(client: redis.Redis) -> None:
    for _ in range(10):
        client.flushall()
        all_at_once(8, lambda number: Registry(client).announce(named(f"m{number}")))
        known = Registry(client).known()
        assert len(known.cards) == 8 and known.defaults["embed"] in known.cards


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
