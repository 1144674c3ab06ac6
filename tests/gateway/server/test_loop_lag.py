"""How late an event loop turns is measured and reported."""

import logging
import time

import gevent
import pytest

from services.gateway.monitoring.loop_lag import WARN_S, LoopLag
from services.gateway.processes.counters import Counted, Counters
from tests.support.waiting import PATIENCE_S


def test_a_held_loop_is_noted_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters()
    lag = LoopLag(counters)
    lag.start()
    gevent.sleep(0.01)  # it measures from now on
    held_s = 3 * WARN_S
    with caplog.at_level(logging.WARNING):
        end = time.monotonic() + held_s + 0.1
        while time.monotonic() < end:
            pass
        deadline = time.monotonic() + PATIENCE_S
        while counters.largest(Counted.LOOP_LAG_US) < 1e6 * held_s and time.monotonic() < deadline:
            gevent.sleep(0.01)
    assert 1e6 * held_s <= counters.largest(Counted.LOOP_LAG_US)
    # On a busy machine it may have turned late before, or again.
    late = [record.__dict__ for record in caplog.records if "the event loop turned late" in record.message]
    record = max(late, key=lambda one: one["lag_ms"])
    assert record["lag_ms"] >= 1000 * held_s > 1000 * WARN_S
    assert record["cpu_ms"] > 0
