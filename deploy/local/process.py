"""One part of the embedded stack as a child process: its start, log and stop, and its growing pause after a death."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LEASH = str(Path(__file__).with_name("parent_death.py"))
TAIL_LINES = 40
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
GOOD_LIFE_S = 30.0
"""A part that lived this long is taken to be well, and its next death is its first again."""


@dataclass(frozen=True)
class Part:
    """How to run one part of the stack."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    stop_after_s: float
    """A part that has not ended this long after SIGTERM is killed."""
    death_signal: signal.Signals = signal.SIGKILL
    """What the part gets when the supervisor dies without stopping it."""
    pass_fds: tuple[int, ...] = ()


@dataclass
class Backoff:
    """How long to wait before a dead part is started again: 1, 2, 4 … 30 s, and 1 s again after a good life."""

    next_pause_s: float = FIRST_PAUSE_S

    def pause_after(self, lived_s: float) -> float:
        """Return the pause that follows a life of ``lived_s`` seconds."""
        if lived_s >= GOOD_LIFE_S:
            self.next_pause_s = FIRST_PAUSE_S
        pause = self.next_pause_s
        self.next_pause_s = min(2 * pause, LONGEST_PAUSE_S)
        return pause


@dataclass
class Child:
    """A part, and the process that runs it at the moment.

    Start it from the main thread: Linux ties a child to the *thread* that made it, and the child is signalled when
    that thread ends.
    """

    part: Part
    log: Callable[[str, str], None]
    """Takes the part's name and one line of its output."""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    restart_at: float | None = None
    """`time.monotonic()` at which a dead part is started again; None while it runs."""
    _backoff: Backoff = field(default_factory=Backoff)
    _process: subprocess.Popen[str] | None = None
    _asked: bool = False
    _started_at: float = 0.0
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Start the process in a process group of its own, so that a Ctrl-C in the terminal reaches only us."""
        leash = [sys.executable, "-S", LEASH, str(os.getpid()), str(int(self.part.death_signal))]
        self._process = subprocess.Popen(
            [*leash, *self.part.command],
            env=dict(self.part.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
            pass_fds=self.part.pass_fds,
        )
        self.restart_at = None
        self._asked = False
        self._started_at = time.monotonic()
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """The number of the process, if there is one; the leash becomes the command, so it is the command's own."""
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """Return how the process ended, negative for a signal, or None while it runs."""
        return self._process.poll() if self._process else None

    def schedule_restart(self) -> float:
        """Clean up after a death and set ``restart_at``; return the pause in seconds."""
        # A part may have had children of its own; none of them may meet its successor.
        self.signal_group(signal.SIGKILL)
        now = time.monotonic()
        pause = self._backoff.pause_after(now - self._started_at)
        self.restart_at = now + pause
        return pause

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the part's whole process group; what is already gone is fine."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # macOS answers EPERM for a group of which only a zombie is left

    def stop(self, impatient: Callable[[], bool]) -> int | None:
        """Ask the part to end, wait, and kill what is left of its group. Safe on a part that is not running.

        Args:
            impatient: says whether to stop waiting and kill at once.
        """
        if self._process is None:
            return None
        self.ask_to_end()
        deadline = time.monotonic() + self.part.stop_after_s
        while self._process.poll() is None and time.monotonic() < deadline and not impatient():
            self._wait_shortly(self._process)
        self.signal_group(signal.SIGKILL)
        code = self._process.wait()
        self.join_log()
        self._process = None
        return code

    def ask_to_end(self) -> None:
        """Send SIGTERM, once, to the head only: how its own children end is its business until time is up."""
        if self._process is not None and self._process.poll() is None and not self._asked:
            self._asked = True
            self._process.send_signal(signal.SIGTERM)

    def join_log(self) -> None:
        """Wait until all that an ended process wrote is in the tail."""
        if self._reader:
            self._reader.join(timeout=2)

    @staticmethod
    def _wait_shortly(process: subprocess.Popen[str]) -> None:
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            return

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - stdout=PIPE above
        with process.stdout as lines:
            for line in lines:
                text = line.rstrip()
                self.tail.append(text)
                self.log(self.part.name, text)
