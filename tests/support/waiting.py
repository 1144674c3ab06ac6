"""Waits with a deadline, instead of sleeps that are too short on a busy machine and too long on any other."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 120.0
"""How long a test waits for something that must happen. Only a failure takes so long, so a busy machine has room."""
PROGRAM_S = 600.0
"""The same for a whole program that exports models, measures figures or installs packages."""


def wait_until(condition: Callable[[], T], failure: str, timeout_s: float = PATIENCE_S) -> T:
    """Call ``condition`` until it returns something true, and return that.

    Raises:
        AssertionError: nothing true came within ``timeout_s``; ``failure`` says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{failure} (waited {timeout_s:g} s)"
        time.sleep(0.01)
    return value
