"""A client that sends what it likes: raw bodies, and connections that it holds open."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType
from urllib.parse import quote

from benchmarks.harness.report import BenchError

TIMEOUT_S = 170.0
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Client:
    """Sends requests to a gateway of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = JSON,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, bytes]:
        """Return status and body of a response; 0 and why where the connection broke."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, {**({"Content-Type": kind} if body else {}), **headers})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException) as error:
            return 0, type(error).__name__.encode()
        finally:
            connection.close()

    def outcome(self, method: str, path: str, body: bytes | None = None, kind: str = JSON) -> str:
        """Return the status of a response and how many bytes it has, in words."""
        status, answer = self.ask(method, path, body, kind)
        return f"{status}, {len(answer):,} bytes" if status else f"connection broken: {answer.decode()}"

    def submit(self, document: object) -> str:
        """Submit a job; return its id."""
        status, answer = self.ask("POST", "/v1/jobs", json.dumps(document).encode())
        if status != 202:
            raise BenchError(f"a job was not accepted: {status} {answer[:300]!r}")
        return str(json.loads(answer)["id"])

    def end_of(self, job_id: str) -> str:
        """Wait for a job's end; return its status."""
        return self._when(job_id, lambda job: bool(job["completed_at"]))

    def _when(self, job_id: str, condition: Callable[[Mapping[str, object]], bool]) -> str:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            status, answer = self.ask("GET", f"/v1/jobs/{job_id}?wait=20")
            if status == 200 and condition(job := json.loads(answer)):
                return str(job["status"])
            time.sleep(0.1)
        return "not finished"

    def open(self, head: str, body: bytes = b"") -> socket.socket:
        """Return a connection on which the head of a request, and maybe a part of its body, was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_S)
        # A server that refuses closes the connection while the body is being sent.
        with contextlib.suppress(OSError):
            connection.sendall(f"{head}\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode() + body)
        return connection


def form(**fields: str) -> bytes:
    """Return the body of a form."""
    return "&".join(f"{name}={quote(value)}" for name, value in fields.items()).encode()


def status_of(connection: socket.socket, timeout_s: float) -> int:
    """Return the status of the response on a connection; 0 if there is none in time, or the connection broke."""
    connection.settimeout(timeout_s)
    try:
        return int(connection.recv(64)[9:12] or 0)
    except (OSError, ValueError):
        return 0
