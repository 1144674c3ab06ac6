"""Starts the servers that Triptych is compared with, under gunicorn like Triptych's gateway."""

import sys

from benchmarks.harness.http_clients import OneClient
from benchmarks.harness.report import BenchError
from benchmarks.harness.stack import Stack
from deploy.local.store import free_port


def start_peer(stack: Stack, name: str, app: str, *options: str) -> int:
    """Start gunicorn with one worker process for ``module:create_app(…)``, wait for it, and return its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    # gunicorn closes idle connections after 2 s by default, and then the clients would fail between two runs.
    # Nothing here uses the control socket, a file through which gunicorn takes commands.
    stack.start(name, [*command, "--keep-alive", "10", "--no-control-socket", *options, app], {})
    stack.wait(name, lambda: _is_ready(port))
    return port


def _is_ready(port: int) -> bool:
    try:
        with OneClient(port) as client:
            return bool(client.ask(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    except (OSError, BenchError):
        return False
