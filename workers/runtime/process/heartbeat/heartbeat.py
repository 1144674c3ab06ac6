"""The worker's side of its heartbeat: starts the process again whenever it ends, keeps it informed, and obeys it."""

import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from contracts.cards import WorkerCard
from workers.runtime.attempts.intake import Intake
from workers.runtime.engine.engine import Engine
from workers.runtime.models.versions import Models
from workers.runtime.price.prices import Prices
from workers.runtime.process.heartbeat.messages import (
    Announce,
    Beaten,
    Exit,
    Leave,
    Start,
    Status,
    ToHeartbeat,
    ToWorker,
    encoded,
)
from workers.runtime.process.heartbeat.stand_in import StandIn
from workers.runtime.process.memory import resident_bytes
from workers.runtime.process.shared_state import SharedState

logger = logging.getLogger(__name__)
PULSES_PER_LEASE = 15
"""How often progress is noted. Rarely enough to cost nothing, and often enough that a lease never runs out for it."""
PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "TRIPTYCH_LOG")
"""Environment variables that the process gets. The others may hold secrets that it does not need."""
SEND_TIMEOUT_S = 2
SILENCE_S = 30.0
"""A beat takes less, even if the store is out of reach. A process that is silent for longer (and for a lease) hangs."""
LAST_BEAT_S = 3.0
"""Longest wait for the process when the worker ends: for a beat that is under way, and for its farewell."""
MAX_PAUSE_S = 5.0
"""Longest pause before the process is started again, if it ends at once each time."""


class Heartbeat:
    """The heartbeat process, two threads that talk to it, and one that stands in for it.

    Args:
        start: what the process needs to know.
        shared: what it reads at any time.
        intake: whose attempts are stopped or released, and which knows whether jobs wait.
        engine: whose figures are announced.
        models: that are announced.
        prices: of the models.
    """

    def __init__(
        self,
        start: Start,
        *,
        shared: SharedState,
        intake: Intake,
        engine: Engine,
        models: Models,
        prices: Prices,
    ) -> None:
        self._start = start
        self._shared = shared
        self._intake = intake
        self._held = intake.held
        self._stand_in = StandIn(intake.held, lease_s=start.lease_s)
        self._engine = engine
        self._models = models
        self._prices = prices
        self._started_at = time.time()
        self._takes_jobs = False
        self._heard_at = time.monotonic()
        self._stopping = threading.Event()
        self._sending = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._reader = threading.Thread(target=self._keep_running, name="heartbeat", daemon=True)
        self._pulse = threading.Thread(target=self._pulse_loop, name="pulse", daemon=True)

    def start(self) -> None:
        """Start process and threads, before the worker takes jobs: the first one may end it."""
        self._shared.progress()
        self._reader.start()
        self._pulse.start()
        self._stand_in.start()

    def announce_worker(self) -> None:
        """Announce worker and models from now on, because the worker takes jobs."""
        self._takes_jobs = True
        self._introduce()

    def announce(self) -> None:
        """Announce the models now, because one has changed."""
        self._send(Announce(self._models.cards()))

    def stop(self) -> None:
        """Stop beating, and remove this worker from the registry."""
        self._stopping.set()
        self._stand_in.stop()
        self._send(Leave())
        process = self._process
        if process is None:
            return
        try:
            process.wait(LAST_BEAT_S)
        except subprocess.TimeoutExpired:  # a beat after the worker's end would make it seem alive
            process.kill()

    def _pulse_loop(self) -> None:
        while not self._stopping.wait(self._start.lease_s / PULSES_PER_LEASE):
            try:
                self._shared.progress(self._engine.figures().busy_since)
                if self._takes_jobs:
                    self._look_at_work()
                    self._send(self._status())
            except Exception:  # without this thread the worker would seem to stand still, and lose all of its jobs
                logger.exception("no status for the heartbeat")
            process, silent_s = self._process, time.monotonic() - self._heard_at
            if process is not None and silent_s > max(SILENCE_S, self._start.lease_s):
                logger.error("heartbeat process hangs; it is started again")
                process.kill()

    def _keep_running(self) -> None:
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            started = time.monotonic()
            try:
                self._run_once()
            except Exception:  # no memory for a process, say: the next one may find some
                logger.exception("heartbeat process not started")
            if not self._stopping.is_set():
                logger.error("heartbeat process ended; it is started again")
            # At once, unless it has only just begun.
            pause_s = min(MAX_PAUSE_S, 2 * pause_s + 0.1) if time.monotonic() - started < MAX_PAUSE_S else 0.0

    def _run_once(self) -> None:
        """Start the process, and handle its messages until it ends."""
        process, connection = _spawn(self._shared.file)
        with connection, process:
            # First, or the pulse could send a status before the process knows what it is for.
            connection.sendall(encoded(self._start))
            self._heard_at = time.monotonic()
            self._process, self._socket = process, connection
            try:
                if self._stopping.is_set():  # nobody else would end it
                    return
                if self._takes_jobs:
                    self._introduce()
                for message in _messages(connection):
                    self._heard_at = time.monotonic()
                    self._obey(message)
            finally:
                self._socket = None
                process.kill()  # it has ended, or says what nobody understands

    def _introduce(self) -> None:
        self._send(self._status())
        self.announce()

    def _obey(self, message: ToWorker) -> None:
        match message:
            case Beaten(stop, prices):
                self._stand_in.beaten()
                self._prices.use(prices)
                for job_id, number in stop:
                    self._held.stop(job_id, number)
            case Exit(reason):
                logger.error("worker exits", extra={"reason": reason})
                # Released jobs run elsewhere at once. Otherwise they would be blamed for a crash.
                self._held.release_all()
                # Not sys.exit: that would wait for the thread that is stuck.
                os._exit(1)

    def _send(self, message: ToHeartbeat) -> None:
        with self._sending:
            if self._socket is None:
                return  # it is being started, and then learns everything
            try:
                self._socket.sendall(encoded(message))
            except OSError:
                # It has ended, or hangs. After half a message it could read nothing more, so it must end.
                if self._process is not None:
                    self._process.kill()

    def _look_at_work(self) -> None:
        is_full = self._intake.fullness.since_last()
        self._prices.look(self._engine.figures().models, is_full=is_full, taking_s=self._intake.taking_s)

    def _status(self) -> Status:
        announced = self._prices.announced()
        return Status(self._card(announced.speed), announced.profiles)

    def _card(self, speed: float) -> WorkerCard:
        figures = self._engine.figures()
        return WorkerCard(
            id=self._start.worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            models=self._models.names(),
            started_at=self._started_at,
            running=len(self._held.all()),
            num_batches=figures.num_batches,
            num_rows=figures.num_rows,
            real_tokens=figures.real_length,
            padded_tokens=figures.padded_length,
            rss_bytes=resident_bytes(),
            generation=figures.generation,
            speed=speed,
        )


def _spawn(state_file: int) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start the process; return it and our end of the connection."""
    ours, theirs = socket.socketpair()
    # A time limit in the kernel: Python's own would hold for reading as well.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_TIMEOUT_S, 0))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __package__],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            env=_environment(),
            pass_fds=[state_file],
        )
    return process, ours


def _environment() -> dict[str, str]:
    """Return what the process needs of our environment: where to find modules and certificates, and what to log."""
    found = {name: os.environ[name] for name in PASSED_ON if name in os.environ}  # noqa: TID251
    return found | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}


def _messages(connection: socket.socket) -> Iterator[ToWorker]:
    """Yield the messages of the process until it ends."""
    decoder: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
    with connection.makefile("rb") as lines:
        try:
            for line in lines:
                yield decoder.decode(line)
        except (OSError, msgspec.DecodeError):
            return
