"""Ends the processes that tests start."""

import signal
import subprocess

from tests.support.waiting import PATIENCE_S


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
