"""A child process of the local stack: its start, log and stop, and the exponential backoff between restarts."""

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

PARENT_DEATH_GUARD = str(Path(__file__).with_name("parent_death.py"))
TAIL_LINES = 40
MIN_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0
HEALTHY_AFTER_S = 30.0
"""A process that ran for this long counts as healthy, so its next restart comes after the shortest pause again."""


@dataclass(frozen=True)
class ProcessSpec:
    """How to run one process of the stack."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    stop_after_s: float
    """The process is killed if it still runs this long after SIGTERM."""
    death_signal: signal.Signals = signal.SIGKILL
    """The signal that the process gets when the supervisor dies without stopping it."""
    pass_fds: tuple[int, ...] = ()


@dataclass
class Backoff:
    """The pauses between restarts: 1, 2, 4 … 30 s, and 1 s again after a healthy run.

    They don't grow by a death that was not the process's own fault.
    """

    next_pause_s: float = MIN_PAUSE_S

    def pause_after(self, uptime_s: float, *, own_fault: bool = True) -> float:
        """Return the pause after a run of ``uptime_s`` seconds."""
        if uptime_s >= HEALTHY_AFTER_S:
            self.next_pause_s = MIN_PAUSE_S
        pause = self.next_pause_s
        if own_fault:
            self.next_pause_s = min(2 * pause, MAX_PAUSE_S)
        return pause


@dataclass
class Child:
    """A process that can be started again after it died.

    Start it from the main thread: Linux signals a parent's death when the *thread* ends that made the child.
    """

    spec: ProcessSpec
    log: Callable[[str, str], None]
    """Receives the name of the process and one line of its output."""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    restart_at: float | None = None
    """`time.monotonic()` at which a dead process is started again; None while it runs."""
    _backoff: Backoff = field(default_factory=Backoff)
    _process: subprocess.Popen[str] | None = None
    _terminating: bool = False
    _started_at: float = 0.0
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Start the process in a process group of its own, so that Ctrl-C reaches only the supervisor."""
        # -S: the guard needs no site-packages, and looking for them would be most of its start.
        guard = [sys.executable, "-S", PARENT_DEATH_GUARD, str(os.getpid()), str(int(self.spec.death_signal))]
        self._process = subprocess.Popen(
            [*guard, *self.spec.command],
            env=dict(self.spec.env),
            # A child that reads the terminal would take the input of the shell that started the supervisor.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # One pipe for both keeps the lines of a traceback and of the log in order.
            stderr=subprocess.STDOUT,
            text=True,
            # A process that crashes may print any bytes, and the reader must not die of them.
            errors="replace",
            process_group=0,
            pass_fds=self.spec.pass_fds,
        )
        self.restart_at = None
        self._terminating = False
        self._started_at = time.monotonic()
        # Read without pause: a child blocks when its pipe is full.
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """The process id, if there is a process. The guard becomes the command, so the id is the command's own."""
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the process runs."""
        return self._process.poll() if self._process else None

    def schedule_restart(self, *, own_fault: bool) -> float:
        """Clean up after a death and set ``restart_at``; return the pause in seconds."""
        # Children of the dead process must not run concurrently with those of the next one.
        self.signal_group(signal.SIGKILL)
        now = time.monotonic()
        pause = self._backoff.pause_after(now - self._started_at, own_fault=own_fault)
        self.restart_at = now + pause
        return pause

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the whole process group; ignore processes that have ended already."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # macOS answers EPERM when only a zombie is left in the group

    def stop(self, impatient: Callable[[], bool]) -> int | None:
        """Terminate the process, wait, and kill the rest of its group. Does nothing if it does not run.

        Args:
            impatient: returns whether to stop waiting and kill at once.
        """
        if self._process is None:
            return None
        self.terminate()
        deadline = time.monotonic() + self.spec.stop_after_s
        while self._process.poll() is None and time.monotonic() < deadline and not impatient():
            self._wait_shortly(self._process)  # in short waits, to see a second Ctrl-C
        # Also after an orderly end: a grandchild may have outlived it.
        self.signal_group(signal.SIGKILL)
        code = self._process.wait()
        self.join_log()
        self._process = None
        return code

    def terminate(self) -> None:
        """Send SIGTERM, once, to the process itself: it must stop its own children before its time is up."""
        if self._process is not None and self._process.poll() is None and not self._terminating:
            self._terminating = True
            self._process.send_signal(signal.SIGTERM)

    def join_log(self) -> None:
        """Wait until all output of an ended process is in the tail."""
        if self._reader:
            # With a timeout, because a grandchild that still runs keeps the pipe open.
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
                self.log(self.spec.name, text)
