"""A worker process of the fault tests, which can be frozen, terminated and killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import freeze
from tests.support.waiting import PATIENCE_S


class Worker:
    """One worker process in a process group of its own."""

    def __init__(self, program: str, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", program],
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def alive(self) -> bool:
        """Return whether the process still runs."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self.process.send_signal(number)

    def freeze(self) -> None:
        """Suspend the process, so that it sends no heartbeats."""
        freeze(self.pid)

    def thaw(self) -> None:
        """Resume a frozen process."""
        self.signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Terminate the process with SIGTERM, and wait until it has drained and ended."""
        self.signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.log()[-2000:]

    def kill_group(self) -> None:
        """Kill the process and those that it has started, as the loss of a machine does."""
        os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """Kill the process alone, also a frozen one, and wait until it has ended."""
        if self.alive():
            self.process.kill()
        self.process.wait(PATIENCE_S)

    def log(self) -> str:
        """Return all that the process has written."""
        return self._log.read_text(errors="replace")
