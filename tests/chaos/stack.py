"""The stack of the run: a store, two gateways and the workers, each started again when it has ended."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.chaos.calls import Lost, call
from tests.chaos.catalogue import DECODER, ENCODER, SEQ2SEQ
from tests.faults.slow_seq2seq import STEP_S
from tests.support.paths import ROOT
from tests.support.stepping_clock import SteppingClock
from tests.support.valkey import ValkeyServer, free_port
from tests.support.waiting import PATIENCE_S, wait_until

NUM_GATEWAYS = 2
FAMILIES = {
    "encoder": ("tests.faults.faulty_worker", ENCODER, 2),
    "decoder": ("tests.faults.faulty_decoder", DECODER, 2),
    "seq2seq": ("tests.faults.slow_seq2seq", SEQ2SEQ, 2),
}
"""Program, models and number of workers. They are the real ones, but slower, and a poisoned text ends an encoder."""
SETTINGS = {
    "TRIPTYCH_THREADS": "1",
    "TRIPTYCH_DRAIN_S": "3",
    "TRIPTYCH_LEASE_S": "7",  # most freezes are longer
    "TRIPTYCH_GATEWAY_PROCESSES": "2",
    "TRIPTYCH_LOG": "info,json",
    STEP_S: "0.01",
}


class Member:
    """One process of the stack with those that it starts: a worker with its heartbeat, a gateway with its processes."""

    def __init__(self, kind: str, number: int, folder: Path, program: str, environment: dict[str, str]) -> None:
        self.kind = kind
        self.name = f"{kind}-{number}"
        self.busy = threading.Lock()
        """Held by a fault that needs the process to stay what it is."""
        self._folder = folder
        self._program = program
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
        self._environment = kept | SETTINGS | environment
        self._process: subprocess.Popen[bytes] | None = None
        self.pids: list[int] = []
        """Of all that were started."""

    def start(self) -> None:
        """Start the process, with a log of its own."""
        with (self._folder / f"{self.name}.{len(self.pids)}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pids.append(self._process.pid)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """Return the processes that it has started."""
        with suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.pid).children()]
        return []

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def send_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Return whether the process has ended in time."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
            return True
        return False


class Stack:
    """Use it as a context manager, which ends every process."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        # Built by a C compiler. Without one nobody sets the clock.
        self.clock = SteppingClock(folder) if shutil.which("cc") else None
        self.store = ValkeyServer(
            folder / "store", "--appendfsync", "always", environment=self.clock.environment if self.clock else None
        )
        self.store_busy = threading.Lock()
        ports = [free_port() for _ in range(NUM_GATEWAYS)]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        shared = {
            "TRIPTYCH_REDIS_URL": self.store.url,
            "TRIPTYCH_RUNTIME_DIR": str(folder / "host"),
            "FAULT_DIR": str(folder),
        }
        self.gateways = [
            Member("gateway", number, folder, "services.gateway", shared | {"TRIPTYCH_PORT": str(port)})
            for number, port in enumerate(ports)
        ]
        self.workers = [
            Member(family, number, folder, program, shared | {"TRIPTYCH_MODELS": ",".join(models)})
            for family, (program, models, count) in FAMILIES.items()
            for number in range(count)
        ]
        self._random = random.Random(f"restarts {seed}")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._restart_the_dead, daemon=True)

    @property
    def members(self) -> list[Member]:
        """Gateways and workers."""
        return [*self.gateways, *self.workers]

    def __enter__(self) -> "Stack":
        self.store.start()
        for member in self.members:
            member.start()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._thread.join(PATIENCE_S)
        for member in self.members:
            member.send_all(signal.SIGKILL)
            member.wait(PATIENCE_S)
        self.store.stop()

    def wait_until_ready(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until both gateways know all models and take jobs."""
        models = {name for _, names, _ in FAMILIES.values() for name in names}
        for url in self.urls:
            wait_until(lambda url=url: models <= _models(url), f"{url} does not get ready", timeout_s)

    def _restart_the_dead(self) -> None:
        """Start again what has ended, after a short pause, as a supervisor does."""
        while not self._stopping.wait(0.1):
            for member in self.members:
                if not member.alive() and member.busy.acquire(blocking=False):
                    self._stopping.wait(self._random.uniform(0.1, 1.0))
                    if member.kind == "gateway":  # its processes may still have the port
                        member.send_all(signal.SIGKILL)
                    member.start()
                    member.busy.release()

    def left_behind(self) -> list[str]:
        """Return the processes of members that have ended."""
        gone = {pid for member in self.members for pid in member.pids if pid != member.pid}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if os.getsid(process.pid) in gone:
                    found.append(f"{process.pid} {' '.join(process.cmdline())} ({process.status()})")
        return found

    def log_lines(self, message: str) -> Iterator[dict[str, object]]:
        """Yield the log lines with a message, of all processes that have run."""
        yield from self._lines_with(json.dumps(message))

    def errors_of(self, job_id: str) -> Iterator[dict[str, object]]:
        """Yield the log lines about a job's errors, with their tracebacks."""
        return (line for line in self._lines_with(json.dumps(job_id)) if line["level"] == "error")

    def _lines_with(self, wanted: str) -> Iterator[dict[str, object]]:
        for path in sorted(self.folder.glob("*.log")):
            for line in path.read_text(errors="replace").splitlines():
                if wanted in line:
                    with suppress(ValueError):
                        yield json.loads(line)


def _models(url: str) -> set[str]:
    try:
        answer = call(url, "GET", "/v1/models")
        ready = call(url, "GET", "/readyz")
    except Lost:
        return set()
    return {each["id"] for each in answer.data["data"]} if (answer.status, ready.status) == (200, 200) else set()
