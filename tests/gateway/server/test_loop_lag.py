"""How late an event loop turns is measured and reported."""

import logging
import time
from typing import Any

import gevent
import pytest

from services.gateway.monitoring.loop_lag import WARN_S, LoopLag
from services.gateway.processes.counters import Counted, Counters
from tests.support.waiting import wait_until


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

        def is_warned_of() -> bool:
            gevent.sleep(0.01)
            # On a busy machine it may have turned late before, or again.
            return max((one["lag_ms"] for one in late(caplog)), default=0) >= 1000 * held_s

        wait_until(is_warned_of, "no warning")
    assert 1e6 * held_s <= counters.largest(Counted.LOOP_LAG_US)
    assert max(late(caplog), key=lambda one: one["lag_ms"])["cpu_ms"] > 0


def late(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if "the event loop turned late" in record.message]
