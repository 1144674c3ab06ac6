"""Announcements in Redis: which models are served, and which workers are alive.

Gateways read here which models exist, so they need no model files.
"""

import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import redis

from contracts.cards import ModelCard, WorkerCard
from contracts.store.keys import PREFIX
from contracts.store.redis_client import reads

logger = logging.getLogger(__name__)
MODEL_TTL_S = 7 * 24 * 3600
"""How long a model stays known after its last worker left: while all workers are scaled away, jobs are accepted and
wait."""
DEFAULTS = f"{PREFIX}default_models"
_SINCE = f"{PREFIX}models_since"


@dataclass(frozen=True)
class KnownModels:
    """The announced models."""

    cards: Mapping[str, ModelCard] = field(default_factory=dict)
    """By name, in the order of the names."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """The recorded default model of each task. It may be one that is announced no more."""
    since: Mapping[str, float] = field(default_factory=dict)
    """When each model was announced for the first time. Models of older versions of this package lack it."""

    def of_task(self, task: str) -> list[ModelCard]:
        """Return the task's models: those first that were known first, and of these by name.

        So a new model changes nothing for those who do not name it.
        """
        cards = [card for card in self.cards.values() if card.task == task]
        return sorted(cards, key=lambda card: (self.since.get(card.name, 0.0), card.name))

    def default_of(self, task: str) -> str | None:
        """Return the name of the recorded default model, or of the one that will be recorded; None without models."""
        return self.defaults.get(task) or next((card.name for card in self.of_task(task)), None)


class Registry:
    """Reads and writes announcements. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def announce(self, *cards: ModelCard) -> None:
        """Make models known, or keep them known for another week.

        The first model that is known for a task becomes its default, and stays it until somebody changes that.
        """
        if not cards:
            return
        known = self.known()
        tasks = {card.task for card in cards} - known.defaults.keys()
        announced = KnownModels({card.name: card for card in sorted(cards, key=lambda card: card.name)})
        seconds, microseconds = reads(self._client).time()
        # In one step, so that no reader finds a model without its task's default.
        with self._client.pipeline(transaction=True) as pipeline:
            write_announcement(pipeline, cards, seconds + microseconds / 1e6)
            for task in tasks:
                first = (known.of_task(task) or announced.of_task(task))[0]
                pipeline.hsetnx(DEFAULTS, task, first.name)
            pipeline.execute()

    def set_default(self, task: str, model: str) -> None:
        """Make a model the default of its task, announced or not."""
        self._client.hset(DEFAULTS, task, model)

    def forget_default(self, task: str) -> bool:
        """Forget the default model of a task; return False if none was recorded.

        The next announcement records the model that has been known for longest.
        """
        return bool(self._client.hdel(DEFAULTS, task))

    def models(self) -> Mapping[str, ModelCard]:
        """Return the known models by name."""
        return self.known().cards

    def known(self) -> KnownModels:
        """Return the known models and the default ones of their tasks."""
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.smembers(f"{PREFIX}models")
            pipeline.hgetall(DEFAULTS)
            pipeline.zrange(_SINCE, 0, -1, withscores=True)
            names, defaults, since = pipeline.execute()
        cards = self._read_cards("models", "model", names, ModelCard)
        return KnownModels(
            {card.name: card for card in cards},
            {task.decode(): name.decode() for task, name in defaults.items()},
            {name.decode(): score for name, score in since},
        )

    def beat(self, card: WorkerCard, ttl_s: float) -> None:
        """Announce that a worker is alive, for ``ttl_s`` seconds."""
        # The card comes first: a reader that finds a name without a card takes the name out of the index.
        self._client.set(f"{PREFIX}worker:{card.id}", msgspec.json.encode(card), px=int(ttl_s * 1000))
        self._client.sadd(f"{PREFIX}workers", card.id)

    def leave(self, worker_id: str) -> None:
        """Announce that a worker has stopped."""
        self._client.delete(f"{PREFIX}worker:{worker_id}")
        self._client.srem(f"{PREFIX}workers", worker_id)

    def workers(self) -> list[WorkerCard]:
        """Return the workers that are alive."""
        names = reads(self._client).smembers(f"{PREFIX}workers")
        return self._read_cards("workers", "worker", names, WorkerCard)

    def cards_of_workers(self, ids: list[str], texts: list[bytes | None]) -> list[WorkerCard]:
        """Return the workers that are alive, from what is stored of some ids. The ids of others are forgotten."""
        return self._cards("workers", "worker", ids, texts, WorkerCard)

    def _read_cards(self, index: str, kind: str, members: Iterable[bytes], card: Any) -> list[Any]:
        # Sorted, so that clients get the same order each time.
        names = sorted(name.decode() for name in members)
        if not names:
            return []
        texts = reads(self._client).mget([f"{PREFIX}{kind}:{name}" for name in names])
        return self._cards(index, kind, names, texts, card)

    def _cards(self, index: str, kind: str, names: list[str], texts: list[bytes | None], card: Any) -> list[Any]:
        # Keys with a TTL vanish by themselves, but not their names in the index; readers clean them up.
        gone = [name for name, text in zip(names, texts, strict=True) if text is None]
        if gone:
            # A store that takes no writes can still be read.
            with contextlib.suppress(redis.ResponseError):
                self._client.srem(PREFIX + index, *gone)
                if kind == "model":
                    self._client.zrem(_SINCE, *gone)
        cards = [_decoded(name, text, card) for name, text in zip(names, texts, strict=True) if text is not None]
        return [found for found in cards if found is not None]


def _decoded(name: str, text: bytes, card: Any) -> Any:
    """Return a card; None, and a warning, if it is not one: it must not hide all others."""
    try:
        return msgspec.json.decode(text, type=card)
    except msgspec.DecodeError as error:
        logger.warning("an announcement can't be read", extra={"of": name, "error": str(error)})
        return None


def write_announcement(pipeline: "redis.client.Pipeline", cards: Iterable[ModelCard], at: float) -> None:
    """Add the commands that make models known to a transaction. ``at`` is the store's time."""
    for card in cards:
        pipeline.set(f"{PREFIX}model:{card.name}", msgspec.json.encode(card), ex=MODEL_TTL_S)
        pipeline.sadd(f"{PREFIX}models", card.name)
        pipeline.zadd(_SINCE, {card.name: at}, nx=True)
