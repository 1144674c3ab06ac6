"""gunicorn's options, each chosen; those that are not here were read, and their defaults are right (27.0)."""

import os
from pathlib import Path
from typing import Any

from services.gateway.server.logger import PlainLogger
from services.gateway.server.worker import GatewayWorker
from services.gateway.settings import GatewaySettings

KEEPALIVE_S = 10
"""Time until a connection is closed that is idle, or whose next request's head has not arrived."""
DRAIN_S = 8
"""Time that running requests have to finish at a stop: less than the 10 s after which Docker kills by default."""
HANG_S = 20
"""A process whose event loop does not turn for this long is killed and replaced.

Nothing holds the loop for a tenth of a second on purpose. But with all connections busy and a slow processor, one turn
may take seconds, and to kill what still works would make an overload worse.
"""
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only files with names that nobody can guess


def folder_in_memory() -> str | None:
    """Return where files that processes write all the time should be, or None for the usual folder: disks may stall."""
    return str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK) else None


def options_of(settings: GatewaySettings) -> dict[str, Any]:
    """Return gunicorn's options for a gateway with these settings, but for the hooks."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        # One socket for all processes, and not one each by `reuse_port`: a process that hangs accepts nothing, and what
        # waits in the socket goes to the others.
        "bind": f"{host}:{settings.port}",
        "workers": settings.processes,
        "worker_class": GatewayWorker,
        # Rounded up, so that no process has none. One that is full leaves new connections to the others.
        "worker_connections": -(-settings.max_connections // settings.processes),
        "logger_class": PlainLogger,
        # gunicorn's default of 2 s makes clients that pool connections reconnect between two polls.
        "keepalive": KEEPALIVE_S,
        "graceful_timeout": DRAIN_S,
        "timeout": HANG_S,
        # New connections wait in the kernel while the processes are busy. The kernel may cap the number.
        "backlog": 2048,
        # Each process touches a file every second to say that it is alive.
        "worker_tmp_dir": folder_in_memory(),
        # By default another parser is used where its package is installed, and tests would not have tried it.
        "http_parser": "python",
        # The control socket is a file through which gunicorn takes commands; nothing here uses it.
        "control_socket_disable": True,
        **_NO_PROXY_IS_TRUSTED,
        # The parts of a request's head; ``request_head.py`` bounds their sum. Browsers' cookies may take a whole field.
        "limit_request_line": 4094,
        "limit_request_fields": 100,
        "limit_request_field_size": 8190,
    }


_NO_PROXY_IS_TRUSTED: dict[str, Any] = {
    # Nothing here asks for the scheme, the address or the prefix that a proxy saw: links are relative. By default
    # gunicorn believes peers on loopback, so that two of these headers that differ, as some proxies send them, are a
    # 400, and any local program could set SCRIPT_NAME and so choose which route a path means.
    "forwarded_allow_ips": "",
    "secure_scheme_headers": {},
    "forwarder_headers": "",
    # A name with an underscore becomes the same variable as one with a hyphen, so a client could double a header that
    # a proxy has set. Dropped and not refused: strangers' tools send such names.
    "header_map": "drop",
    "proxy_protocol": "off",
}
