"""Announcements in Redis: which models are served, and which workers are alive.

Gateways read here which models exist, so they need no model files.
"""

import contextlib
from typing import Any

import msgspec
import redis

from contracts.cards import ModelCard, WorkerCard
from contracts.store.keys import PREFIX
from contracts.store.redis_client import reads

MODEL_TTL_S = 7 * 24 * 3600
"""How long a model stays known after its last worker left: while all workers are scaled away, jobs are accepted and
wait."""


class Registry:
    """Reads and writes announcements. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client

    def announce(self, card: ModelCard) -> None:
        """Make a model known, or keep it known for another week."""
        # The card comes first: a reader that finds a name without a card takes the name out of the index.
        self._client.set(f"{PREFIX}model:{card.name}", msgspec.json.encode(card), ex=MODEL_TTL_S)
        self._client.sadd(f"{PREFIX}models", card.name)

    def models(self) -> dict[str, ModelCard]:
        """Return the known models by name."""
        cards = self._read_all("models", "model", ModelCard)
        return {card.name: card for card in cards}

    def beat(self, card: WorkerCard, ttl_s: float) -> None:
        """Announce that a worker is alive, for ``ttl_s`` seconds."""
        # The card comes first, as in `announce`.
        self._client.set(f"{PREFIX}worker:{card.id}", msgspec.json.encode(card), px=int(ttl_s * 1000))
        self._client.sadd(f"{PREFIX}workers", card.id)

    def leave(self, worker_id: str) -> None:
        """Announce that a worker has stopped."""
        self._client.delete(f"{PREFIX}worker:{worker_id}")
        self._client.srem(f"{PREFIX}workers", worker_id)

    def workers(self) -> list[WorkerCard]:
        """Return the workers that are alive."""
        return self._read_all("workers", "worker", WorkerCard)

    def _read_all(self, index: str, kind: str, card: Any) -> list[Any]:
        # Sorted, so that clients get the same order each time.
        names = sorted(name.decode() for name in reads(self._client).smembers(PREFIX + index))
        if not names:
            return []
        texts = reads(self._client).mget([f"{PREFIX}{kind}:{name}" for name in names])
        # Keys with a TTL vanish by themselves, but not their names in the index; readers clean them up.
        gone = [name for name, text in zip(names, texts, strict=True) if text is None]
        if gone:
            # A store that takes no writes can still be read.
            with contextlib.suppress(redis.ResponseError):
                self._client.srem(PREFIX + index, *gone)
        return [msgspec.json.decode(text, type=card) for text in texts if text is not None]
