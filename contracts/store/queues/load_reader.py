"""Reads in one round trip what admission depends on: the workers that are alive, and what waits for their models."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import redis

from contracts.cards import WorkerCard
from contracts.jobs import LANES, Lane, queue_of
from contracts.store.keys import PREFIX, shares_key
from contracts.store.queues.shares import Shares
from contracts.store.records import replies_of
from contracts.store.registry import Registry


class Loads(NamedTuple):
    """What is asked of the models of a store, and who serves them."""

    workers: list[WorkerCard]
    """Those that are alive."""
    shares: Mapping[str, Shares]
    """By model."""
    served: Mapping[str, Mapping[Lane, float]]
    """Work-seconds that were started, by model and lane. They grow, but for corrections by the truth."""


class LoadReader:
    """Reads loads again and again. Methods raise ``redis.RedisError`` when the store is out of reach."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._registry = Registry(client)
        self._worker_ids: list[str] = []

    def read(self, models: Iterable[str]) -> Loads:
        """Return the loads now. A worker is first seen in the read after the one that finds its id."""
        models, worker_ids = list(models), self._worker_ids
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.smembers(f"{PREFIX}workers")
            pipeline.hgetall(f"{PREFIX}served")
            for worker_id in worker_ids:
                pipeline.get(f"{PREFIX}worker:{worker_id}")
            for model in models:
                pipeline.hgetall(shares_key(queue_of(model)))
            names, served, *replies = replies_of(pipeline, instead=[])
        self._worker_ids = sorted(name.decode() for name in names)
        served = dict(served)
        texts = [text or None for text in replies[: len(worker_ids)]]
        hashes = [dict(reply) for reply in replies[len(worker_ids) :]]
        return Loads(
            self._registry.cards_of_workers(worker_ids, texts),
            {model: Shares.of(found) for model, found in zip(models, hashes, strict=True)},
            {model: {lane: _served(served, model, lane) for lane in LANES} for model in models},
        )


def _served(reply: Mapping[bytes, bytes], model: str, lane: Lane) -> float:
    microseconds = reply.get(f"{model}|{lane}".encode(), b"")
    return int(microseconds) / 1e6 if microseconds.isdigit() else 0.0
