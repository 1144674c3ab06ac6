"""Runs the gateway as a process of its own, as users do."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import psutil

from tests.support.paths import ROOT
from tests.support.processes import end_process
from tests.support.valkey import free_port
from tests.support.waiting import PATIENCE_S, longest_s, wait_until


def environment(redis_url: str, **settings: str) -> dict[str, str]:
    """Return an environment with these settings and no other settings of Triptych."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
    return kept | {"TRIPTYCH_REDIS_URL": redis_url, **settings}


class GatewayProcess:
    """One gateway on a free port, from the source tree ``root``, with its log in a file. ``module`` is the program."""

    def __init__(
        self, redis_url: str, folder: Path, *, root: Path = ROOT, module: str = "services.gateway", **settings: str
    ) -> None:
        self._root = root
        self._module = module
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"gateway-{self.port}.log"
        self._environment = environment(redis_url, TRIPTYCH_PORT=str(self.port), **settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the gateway is not running"
        return self._process.pid

    @property
    def processes(self) -> list[psutil.Process]:
        """Those that serve requests, in the order of their start."""
        return sorted(psutil.Process(self.pid).children(), key=lambda process: process.pid)

    @property
    def num_clients(self) -> int:
        """How many connections the processes that serve requests have accepted and not closed."""
        found = [entry for process in self.processes for entry in process.net_connections("tcp")]
        ours = [entry for entry in found if entry.laddr and entry.laddr.port == self.port]
        return sum(entry.status == psutil.CONN_ESTABLISHED for entry in ours)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=self._root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._process.poll() is not None or self._answers("/livez"), "no gateway")
        assert self._process.poll() is None, self.log.read_text()

    def wait_until_ready(self) -> None:
        wait_until(lambda: self._answers("/readyz"), "the gateway is not ready")

    def round_trip_s(self) -> float:
        """Return how long the longest of a few small requests takes on this machine now."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S) as client:
            return longest_s(lambda: client.get("/livez"))

    def _answers(self, path: str) -> bool:
        # Not httpx, which takes 20 ms of processor time to set up: the gateway that starts needs the processor.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def exchange(self, request: bytes) -> bytes:
        """Send bytes on a connection of their own, and return what comes until it is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return the exit code of a gateway that is stopping."""
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        if self._process is not None:
            end_process(self._process)
        self._process = None


@contextmanager
def running_gateway(
    redis_url: str,
    folder: Path,
    *,
    ready: bool = True,
    root: Path = ROOT,
    module: str = "services.gateway",
    **settings: str,
) -> Iterator[GatewayProcess]:
    """Run a gateway of the source tree ``root`` until the ``with`` block ends."""
    gateway = GatewayProcess(redis_url, folder, root=root, module=module, **settings)
    try:
        gateway.start()
        if ready:
            gateway.wait_until_ready()
        yield gateway
    finally:
        gateway.stop()
