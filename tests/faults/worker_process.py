"""A worker process of the fault tests: started, frozen, told to leave and killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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
        """Its process id."""
        return self.process.pid

    def alive(self) -> bool:
        """Return whether it still runs."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it at once, and see it gone; a frozen one too."""
        if self.alive():
            self.process.kill()
        self.process.wait(PATIENCE_S)

    def log(self) -> str:
        """Return what it wrote."""
        return self._log.read_text(errors="replace")
