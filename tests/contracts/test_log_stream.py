"""Logs of signal handlers, which may interrupt whatever the process does, also the writing of a log line."""

import os
import subprocess
import sys
import time

from tests.support.paths import ROOT

NUM_SIGNALS = 100
PROGRAM = f"""
import logging, signal
from contracts.logs.settings import setup_logging

setup_logging("test")
logger = logging.getLogger("contracts.test")
handled = 0

def handle(number, frame):
    global handled
    handled += 1
    signal.setitimer(signal.ITIMER_REAL, 0.001 if handled < {NUM_SIGNALS} else 0)
    logger.info("handled")

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001)
while handled < {NUM_SIGNALS}:
    logger.info("x" * 1000)
print("done")
"""


def test_a_signal_handler_may_log_while_a_line_is_written() -> None:
    """The reader is slow, so that the process is writing most of the time."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=buffered,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    text = ""
    while part := process.stderr.read(8192):
        text += part
        time.sleep(0.005)
    assert process.wait() == 0 and process.stdout.read() == "done\n", text[-2000:]
    process.stdout.close()
    process.stderr.close()
    assert "Traceback" not in text
    assert text.count('"message":"handled"') == NUM_SIGNALS
