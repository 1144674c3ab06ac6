"""How a part of the stack is restarted and stopped, with fake programs."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.runtime_folder import runtime_folder
from deploy.local.process import Backoff, Child, ProcessSpec
from deploy.local.settings import LocalSettings
from deploy.local.supervisor import Supervisor
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


def test_pauses_do_not_grow_by_deaths_that_are_not_the_processs_own_fault() -> None:
    backoff = Backoff()
    assert [backoff.pause_after(0.1, own_fault=False) for _ in range(3)] == [1, 1, 1]
    assert [backoff.pause_after(0.1) for _ in range(2)] == [1, 2]
    assert [backoff.pause_after(0.1, own_fault=False) for _ in range(2)] == [4, 4]


def test_a_part_that_does_not_stop_in_time_is_killed(stubborn: Child) -> None:
    assert stubborn.stop(impatient=lambda: False) == -9
    assert stubborn.exit_code() is None


def test_a_second_signal_stops_at_once(stubborn: Child) -> None:
    hurry = threading.Event()
    hurry.set()
    assert stubborn.stop(impatient=hurry.is_set) == -9


DYING = """
import os, pathlib, sys
folder = pathlib.Path(sys.argv[1], f"triptych-{os.geteuid()}")
if not (folder / "sane").exists():
    (folder / f"host.{os.getpid()}.ab12.charged").touch()
sys.exit(1)
"""
"""A worker, together with its heartbeat process that notes that jobs are charged with its death."""


def test_a_worker_is_started_again_soon_after_deaths_that_jobs_are_charged_with(tmp_path: Path) -> None:
    supervisor = Supervisor(LocalSettings.read({"TRIPTYCH_RUNTIME_DIR": str(tmp_path)}, port=0), log=lambda *_: None)
    folder = runtime_folder(tmp_path)
    (folder / "host.1.ab12.charged").touch()  # of another process
    supervisor._launch(ProcessSpec("encoder", [sys.executable, "-c", DYING, str(tmp_path)], {}, stop_after_s=5))
    (child,) = supervisor._children

    def pause() -> float:
        def died() -> float | None:
            supervisor._look_after_children()
            return child.restart_at

        found = wait_until(died, "the worker did not die") - time.monotonic()
        child.restart_at = 0.0  # no pause in this test
        supervisor._look_after_children()
        return found

    try:
        assert [round(pause()) for _ in range(3)] == [1, 1, 1]
        (folder / "sane").touch()
        pause()  # it may have begun before
        pause()
        assert [path.name for path in folder.glob("*.charged")] == ["host.1.ab12.charged"]
        assert pause() > 1.5
    finally:
        child.stop(impatient=lambda: True)


def test_the_log_of_a_part_reaches_the_caller_line_by_line() -> None:
    lines: list[tuple[str, str]] = []
    spec = ProcessSpec("echo", [sys.executable, "-c", "print('one'); print('two')"], {}, stop_after_s=5)
    child = Child(spec, log=lambda name, line: lines.append((name, line)))
    child.start()
    wait_until(lambda: child.exit_code() is not None, "the program did not end")
    assert child.stop(impatient=lambda: False) == 0
    assert lines == [("echo", "one"), ("echo", "two")]
