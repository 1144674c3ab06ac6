"""A running `python -m deploy.local run`: its log, the processes of its parts, and its API."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S, wait_until

MARKS = {
    "store": "valkey-server",
    "gateway": "services.gateway",
    "encoder": "workers.encoder",
    "decoder": "workers.decoder",
    "seq2seq": "workers.seq2seq",
}
"""What the command line of each part contains."""
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of this process with ``changes`` instead of Triptych's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
    return kept | changes


class Stack:
    """One supervisor process and its descendants."""

    def __init__(self, command: str = "run", python: Path = Path(sys.executable), **settings: str) -> None:
        # A process inherits ignored signals, and tests that run under nohup ignore SIGHUP, as the stack would then too.
        inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        try:
            self.process = subprocess.Popen(
                [python, "-m", "deploy.local", command],
                cwd=ROOT,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        finally:
            signal.signal(signal.SIGHUP, inherited)
        self.data = Path(settings.get("TRIPTYCH_DATA", ".triptych"))
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        """All that the stack has printed so far."""
        return "\n".join(self.lines)

    def wait_for_line(self, pattern: str, timeout_s: float = PATIENCE_S) -> re.Match[str]:
        """Return the first match of ``pattern`` in the log, now or within ``timeout_s``."""

        def look() -> re.Match[str] | None:
            assert self.process.poll() is None or re.search(pattern, self.log), f"the stack ended:\n{self.log}"
            return re.search(pattern, self.log)

        return wait_until(look, f"no {pattern!r} in the log:\n{self.log}", timeout_s)

    def wait_until_ready(self) -> str:
        """Wait until the stack is ready, and return the URL that it prints then."""
        return self.wait_for_line(r"Triptych is ready: (\S+)")[1]

    def parts(self) -> dict[str, psutil.Process]:
        """Return the head process of each running part by the part's name."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                command = " ".join(child.cmdline())
            except psutil.NoSuchProcess:
                continue
            if "parent_death.py" not in command:
                found |= {name: child for name, mark in MARKS.items() if mark in command}
        return found

    def descendants(self) -> list[psutil.Process]:
        """Return all descendants of the supervisor."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals, timeout_s: float = PATIENCE_S) -> int:
        """Send a signal to the supervisor, wait until it has ended, and return its exit code."""
        self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait until the supervisor has ended, and return its exit code."""
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip("\n"))


@contextmanager
def running(command: str = "run", python: Path = Path(sys.executable), **settings: str) -> Iterator[Stack]:
    """Run a stack for the length of a ``with`` block, and end all of its processes."""
    stack = Stack(command, python, **settings)
    descendants: list[psutil.Process] = []
    try:
        yield stack
    finally:
        with suppress(psutil.NoSuchProcess):  # it may end at this moment
            descendants = stack.descendants() if stack.process.poll() is None else []
        if stack.process.poll() is None:
            stack.process.send_signal(signal.SIGTERM)
        try:
            stack.wait()
        except subprocess.TimeoutExpired:
            stack.process.kill()
            stack.wait()
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def all_gone(processes: list[psutil.Process]) -> bool:
    """Return whether none of ``processes`` runs any more."""
    return not any(_runs(process) for process in processes)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it has ended in between
        return False


def ask(url: str, body: object = None) -> tuple[int, Any]:
    """GET, or POST ``body`` as JSON; return the status and the decoded answer, or 0 and None for no answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with _opener.open(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (OSError, ValueError):
        return 0, None
