"""Ends and freezes the processes that tests start."""

import os
import signal
import subprocess
from pathlib import Path

from tests.support.waiting import PATIENCE_S, wait_until


def end_process(process: "subprocess.Popen[bytes]", number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal to a process, also a frozen one, and wait for its end. It is killed if that takes too long."""
    if process.poll() is None:
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen process handles SIGTERM only after it continues
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_S)


def freeze(pid: int) -> None:
    """Suspend a process, and return when all of its threads have stopped.

    On a busy machine that takes a while after the signal: a thread of the process has to run before they stop, and
    another one may still do what the test relies on it not to do.
    """
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: _has_stopped(pid), "the process was not frozen")


def _has_stopped(pid: int) -> bool:
    try:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):  # a thread has ended before its file was opened, or read
        return False
    return set(states) == {"T"}
