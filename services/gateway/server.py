"""The HTTP server: gunicorn with one gevent worker, whose greenlets make a slow client or a long poll cost little.

gunicorn's arbiter starts the worker again if it dies. More throughput comes from more gateways, not more workers.
"""

import contextlib
import errno
import logging
import socket
from typing import Any

import gevent
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http import errors as http
from gunicorn.workers.ggevent import GeventWorker

from contracts.settings import SettingsError, StoreSettings
from services.gateway.settings import GatewaySettings

KEEPALIVE_S = 10
"""An idle connection is closed after this long, and so is one whose next request's head takes longer to arrive."""
DRAIN_S = 8
_REFUSED = {
    http.LimitRequestLine: (414, "URI Too Long", "The request line is too long."),
    http.LimitRequestHeaders: (431, "Request Header Fields Too Large", "The header fields are too many or too long."),
    http.UnsupportedTransferCoding: (501, "Not Implemented", "This transfer coding is not taken."),
    http.ExpectationFailed: (417, "Expectation Failed", "This expectation can't be met."),
}
_ERROR = '{"error":{"message":"%s","type":"invalid_request_error","param":null,"code":"bad_http"}}'


def check_address(settings: GatewaySettings) -> None:
    """Find out before gunicorn starts, which would try five times, whether the address can be had.

    Raises:
        SettingsError: it can't; the message says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a port whose last connections are still in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"TRIPTYCH_HOST={settings.host}, TRIPTYCH_PORT={settings.port}: can't listen there: {error.strerror}"
        ) from error


class GatewayServer(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured in code: it reads no file and no command line."""

    def __init__(self, settings: GatewaySettings, store_settings: StoreSettings) -> None:
        self._settings = settings
        self._store_settings = store_settings
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        options = {
            "bind": f"{host}:{self._settings.port}",
            "workers": 1,
            "worker_class": GatewayWorker,
            "worker_connections": self._settings.max_connections,
            "logger_class": PlainLogger,
            "keepalive": KEEPALIVE_S,
            "graceful_timeout": DRAIN_S,
            "control_socket_disable": True,
            # Connections wait here while the worker is busy; the kernel may cap it.
            "backlog": 2048,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the app, in the worker."""
        from services.gateway.app import create_app
        from services.gateway.backend import make_parts

        parts = make_parts(self._store_settings)
        app = create_app(self._settings, parts)
        app.extensions["triptych"] = parts
        app.extensions["send_timeout_s"] = self._settings.send_timeout_s
        parts.start()
        return app


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker, which ends waits when it is told to stop and speaks JSON where it refuses a request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[socket.socket] = set()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop taking connections; requests that are running finish, and those that only wait are answered."""
        super().handle_exit(sig, frame)
        # A signal handler runs in the middle of anything; a greenlet of its own runs in its turn.
        gevent.spawn(self._end_waits)

    def _end_waits(self) -> None:
        self.wsgi.extensions["triptych"].stop()
        for connection in list(self._idle):
            # Its greenlet reads the end of the connection; left alone it would hold up the stop for KEEPALIVE_S.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection, remembering while it is between two requests."""
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # The kernel alone knows whether what gevent waits to send is being taken.
            timeout_ms = round(self.wsgi.extensions["send_timeout_s"] * 1000)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        self._idle.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._idle.discard(client)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Serve one request."""
        self._idle.discard(sock)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing of its answer") from error
        self._idle.add(sock)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that is no HTTP in the shape of all our errors."""
        ours = (http.InvalidResponseHeader, http.InvalidResponseHeaderName)
        if not isinstance(exc, http.ParseException) or isinstance(exc, ours):
            super().handle_error(req, client, addr, exc)
            return
        status, reason, message = _REFUSED.get(type(exc), (400, "Bad Request", "This is no HTTP request that we read."))
        body = _ERROR % message
        head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError:
            self.log.debug("the client was gone before it could be refused")


class PlainLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without handlers of its own: its lines go where all lines of the process go."""

    def setup(self, cfg: Any) -> None:
        """Leave the handlers to the root logger."""
        self.error_log.setLevel(logging.INFO)
        self.error_log.propagate = True
