"""How a part of the stack is restarted and stopped, with fake programs."""

import sys
import threading
from collections.abc import Iterator

import pytest

from deploy.local.process import Backoff, Child, ProcessSpec
from tests.support.waiting import wait_until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def stubborn() -> Iterator[Child]:
    """A running program that ignores SIGTERM."""
    spec = ProcessSpec("stubborn", [sys.executable, "-c", STUBBORN], {}, stop_after_s=0.5)
    child = Child(spec, log=lambda name, line: None)
    child.start()
    wait_until(lambda: "up" in child.tail, "the program did not start")
    yield child
    child.stop(impatient=lambda: True)


def test_pauses_grow_to_half_a_minute_and_start_over_after_a_long_run() -> None:
    backoff = Backoff()
    assert [backoff.pause_after(0.1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.pause_after(31) == 1
    assert backoff.pause_after(5) == 2


def test_a_part_that_does_not_stop_in_time_is_killed(stubborn: Child) -> None:
    assert stubborn.stop(impatient=lambda: False) == -9
    assert stubborn.exit_code() is None


def test_a_second_signal_stops_at_once(stubborn: Child) -> None:
    hurry = threading.Event()
    hurry.set()
    assert stubborn.stop(impatient=hurry.is_set) == -9


def test_the_log_of_a_part_reaches_the_caller_line_by_line() -> None:
    lines: list[tuple[str, str]] = []
    spec = ProcessSpec("echo", [sys.executable, "-c", "print('one'); print('two')"], {}, stop_after_s=5)
    child = Child(spec, log=lambda name, line: lines.append((name, line)))
    child.start()
    wait_until(lambda: child.exit_code() is not None, "the program did not end")
    assert child.stop(impatient=lambda: False) == 0
    assert lines == [("echo", "one"), ("echo", "two")]
