"""Waits with a deadline, instead of sleeps that are too short on a busy machine and too long on any other."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout_s: float, failure: str) -> T:
    """Call ``condition`` until it returns something true, and return that.

    Raises:
        AssertionError: nothing true came within ``timeout_s``; ``failure`` says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{failure} (waited {timeout_s:g} s)"
        time.sleep(0.01)
    return value
