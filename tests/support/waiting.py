"""Waits with a deadline, and a unit for claims about time. Neither depends on how busy the machine is."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 120.0
"""How long a test waits for an event that must happen; only a failure takes this long, even on a busy machine."""
PROGRAM_S = 600.0
"""How long a test waits for a program that exports models, measures figures or installs packages."""
MIN_PAUSE_S, MAX_PAUSE_S = 0.005, 0.1


def wait_until(condition: Callable[[], T], failure: str, timeout_s: float = PATIENCE_S) -> T:
    """Call ``condition`` until it returns something true, and return that.

    Raises:
        AssertionError: ``condition`` returned nothing true within ``timeout_s``. ``failure`` is the message.
    """
    started = time.monotonic()
    while not (value := condition()):
        waited_s = time.monotonic() - started
        assert waited_s < timeout_s, f"{failure} (waited {timeout_s:g} s)"
        # Pauses grow with the wait: a long wait must not take CPU time from the processes that it waits for.
        time.sleep(min(MAX_PAUSE_S, max(MIN_PAUSE_S, waited_s / 20)))
    return value


def longest_s(call: Callable[[], object], num_calls: int = 5) -> float:
    """Return how many seconds the longest of a few calls took.

    A claim about time allows for a multiple of this, measured in the same test, so that it holds on a busy machine too.
    """
    durations = []
    for _ in range(num_calls):
        started = time.monotonic()
        call()
        durations.append(time.monotonic() - started)
    return max(durations)
