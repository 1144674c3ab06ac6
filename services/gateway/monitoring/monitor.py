"""What the gateway knows without asking: whether the store answers, which models there are, whether keys exist.

A greenlet asks once a second, on a connection of its own. Requests read what it found, which saves them round trips;
and while it finds the store out of reach they are answered at once, instead of each waiting for its own timeout.
"""

import logging
import time
from collections.abc import Callable

import gevent
import redis

from contracts.cards import ModelCard
from contracts.errors import Unavailable
from contracts.store.redis_client import reads
from contracts.store.registry import Registry
from services.gateway.auth.api_keys import ApiKeys

logger = logging.getLogger(__name__)
PERIOD_S = 1.0
MODELS_PERIOD_S = 0.1
"""Shortest time between two looks for a model that a request named and nobody knows."""
FULL = 0.8
"""Share of the store's memory from which on submits are refused: what is accepted still has to be finished."""


class Monitor:
    """Watches the store. ``client`` should be its own, so that busy requests can't make it wait."""

    def __init__(self, client: "redis.Redis", on_loss: Callable[[], None]) -> None:
        self._client = client
        self._registry = Registry(client)
        self._keys = ApiKeys(client)
        self._on_loss = on_loss
        self._greenlet: gevent.Greenlet | None = None
        self.store_answers = False
        self.store_is_full = False
        self.has_keys = False
        self.models: dict[str, ModelCard] = {}
        self._models_at = float("-inf")
        self._clock_offset_s = 0.0

    def start(self) -> None:
        """Look once, and then every second."""
        self.look()
        self._greenlet = gevent.spawn(self._loop)

    def stop(self) -> None:
        """Stop looking."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def check_store(self) -> None:
        """Raise Unavailable while the store is out of reach."""
        if not self.store_answers:
            raise Unavailable

    def store_time(self) -> float:
        """Return the time by the store's clock, as near as is known."""
        return time.time() + self._clock_offset_s

    def look_for_models(self) -> bool:
        """Ask for the models again, unless that was done a moment ago; return whether it was done now.

        Raises:
            redis.RedisError: the store does not answer.
        """
        now = time.monotonic()
        if now - self._models_at < MODELS_PERIOD_S:  # anybody can send names that are no model's
            return False
        self._models_at = now
        self.models = self._registry.models()
        return True

    def look(self) -> None:
        """Ask the store for everything once."""
        try:
            self.models = self._registry.models()
            self.has_keys = self._keys.count() > 0
            memory = self._client.info("memory")
            before = time.time()
            seconds, microseconds = reads(self._client).time()
            self._clock_offset_s = seconds + microseconds / 1e6 - (before + time.time()) / 2
        except redis.RedisError as error:
            if self.store_answers:
                logger.warning("the store is out of reach: %s", error)
            self.store_answers = False
            self._on_loss()
            return
        self.store_is_full = 0 < memory["maxmemory"] * FULL < memory["used_memory"]
        if not self.store_answers:
            logger.info("the store answers")
        self.store_answers = True

    def _loop(self) -> None:
        while True:
            gevent.sleep(PERIOD_S)
            try:
                self.look()
            except Exception:
                # Without this greenlet the gateway would go on with what it knew last, for ever.
                logger.exception("the look at the store failed")
