"""The heartbeat continues when a beat fails. If it ended, all jobs of the worker would lose their leases."""

import threading
from typing import Any

from tests.unit.attempts.fakes import FakeStore
from workers.runtime.attempts.held import HeldAttempts
from workers.runtime.engine.figures import CallCounter, EngineFigures
from workers.runtime.models.versions import Models
from workers.runtime.process.heartbeat import Heartbeat
from workers.runtime.process.watchdog import Watchdog


class QuickStore(FakeStore):
    lease_s = 0.03


class FailingOnce:
    """An engine whose figures raise an error at the first beat, as when a dict changes while it is iterated."""

    def __init__(self) -> None:
        self.num_reads = 0

    def cancel(self, handle: Any) -> None:
        raise AssertionError("no request was submitted")

    def figures(self) -> EngineFigures:
        self.num_reads += 1
        if self.num_reads == 1:
            raise RuntimeError("dictionary changed size during iteration")
        return CallCounter().figures()


class FakeRegistry:
    def __init__(self) -> None:
        self.beaten = threading.Event()

    def announce(self, card: Any) -> None:
        raise AssertionError("there is no model")

    def beat(self, card: Any, ttl_s: float) -> None:
        self.beaten.set()

    def leave(self, worker_id: str) -> None:
        """Nothing to do."""


def test_a_beat_that_fails_does_not_end_the_heartbeat() -> None:
    store: Any = QuickStore()
    registry: Any = FakeRegistry()
    heartbeat = Heartbeat(
        "w1",
        store=store,
        queues=store,
        registry=registry,
        held=HeldAttempts(store),
        engine=FailingOnce(),
        models=Models(),
        watchdog=Watchdog(hard_limit_s=600, stall_s=30),
    )
    heartbeat.start()
    try:
        assert registry.beaten.wait(60), "no beat came after the one that failed"
    finally:
        heartbeat.stop()
