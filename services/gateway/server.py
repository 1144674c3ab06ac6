"""The HTTP server: gunicorn with one gevent worker, in which a slow client or a long poll costs a greenlet.

gunicorn's arbiter restarts the worker if it dies. For more throughput run more gateways, not more workers, so that a
process's limits and metrics are those of its gateway (decision 6).
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
"""Time until a connection is closed that is idle, or whose next request's head has not arrived."""
DRAIN_S = 8
"""Time that running requests have to finish at a stop: less than the 10 s after which Docker kills by default."""
_HTTP_ERRORS = {
    http.LimitRequestLine: (414, "URI Too Long", "The request line is too long."),
    http.LimitRequestHeaders: (431, "Request Header Fields Too Large", "The header fields are too many or too long."),
    http.UnsupportedTransferCoding: (501, "Not Implemented", "This transfer coding is not supported."),
    http.ExpectationFailed: (417, "Expectation Failed", "This expectation can't be met."),
}
_ERROR = '{"error":{"message":"%s","type":"invalid_request_error","param":null,"code":"bad_http"}}'


def check_address(settings: GatewaySettings) -> None:
    """Check that the gateway can listen on its address. gunicorn itself would retry for five seconds before it fails.

    Raises:
        SettingsError: it can't listen there; the message says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            # Servers set this option too: with it a port counts as free while old connections are in TIME_WAIT.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(
            f"TRIPTYCH_HOST={settings.host}, TRIPTYCH_PORT={settings.port}: can't listen there: {error.strerror}"
        ) from error


class GatewayServer(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured in code: it reads neither a configuration file nor a command line."""

    def __init__(self, settings: GatewaySettings, store_settings: StoreSettings) -> None:
        self._settings = settings
        self._store_settings = store_settings
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's options."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        options = {
            "bind": f"{host}:{self._settings.port}",
            # One, because the limits of open streams and connections, and the metrics, are those of this process.
            "workers": 1,
            "worker_class": GatewayWorker,
            "worker_connections": self._settings.max_connections,
            "logger_class": PlainLogger,
            # gunicorn's default of 2 s makes clients that pool connections reconnect between two polls.
            "keepalive": KEEPALIVE_S,
            "graceful_timeout": DRAIN_S,
            # The control socket is a file through which gunicorn takes commands; nothing here uses it.
            "control_socket_disable": True,
            # New connections wait in the kernel while the worker is busy. The kernel may cap the number.
            "backlog": 2048,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the app. gunicorn calls this in the worker, since connections and greenlets do not survive a fork."""
        # Imported here, so that the arbiter, which serves no request, does not load the application.
        from services.gateway.app import create_app
        from services.gateway.backend import make_backend

        backend = make_backend(self._store_settings)
        app = create_app(self._settings, backend)
        # The worker below has only the app, and needs these when it serves and when it stops.
        app.extensions["backend"] = backend
        app.extensions["send_timeout_s"] = self._settings.send_timeout_s
        backend.start()
        return app


class GatewayWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker; at a stop it ends waits and idle connections, and its errors are JSON."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[socket.socket] = set()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop accepting connections. Running requests finish, and those that wait for a job get it as it is."""
        super().handle_exit(sig, frame)
        # A signal handler may interrupt any code, so it must not take locks. A new greenlet runs in its own turn.
        gevent.spawn(self._end_waits)

    def _end_waits(self) -> None:
        self.wsgi.extensions["backend"].stop()
        # A copy, since connections leave the set while others are shut down.
        for connection in list(self._idle):
            # The greenlet of an idle connection would delay the stop for KEEPALIVE_S. This ends its read.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection, and note while it is idle between two requests."""
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that reads nothing would hold its stream for ever. gevent can't see whether what it sends is
            # acknowledged; the kernel can, and ends the connection after this time.
            timeout_ms = round(self.wsgi.extensions["send_timeout_s"] * 1000)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        # Idle from the start: a client may connect and send nothing for a while.
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
            # gunicorn ignores a reset connection, and would log any other error with a traceback.
            raise ConnectionResetError(errno.ECONNRESET, "the client does not read its response") from error
        self._idle.add(sock)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Respond to a request that is not valid HTTP with an error in our format."""
        # These two are raised for headers of our own responses: a bug here, which gunicorn logs and answers with 500.
        response_errors = (http.InvalidResponseHeader, http.InvalidResponseHeaderName)
        if not isinstance(exc, http.ParseException) or isinstance(exc, response_errors):
            super().handle_error(req, client, addr, exc)
            return
        status, reason, message = _HTTP_ERRORS.get(type(exc), (400, "Bad Request", "This is not a valid HTTP request."))
        # Written by hand: the request could not be parsed, so there is none that Flask could respond to.
        body = _ERROR % message
        head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        except OSError:
            self.log.debug("the client disconnected before the error was sent")


class PlainLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger without handlers of its own, so that its lines have the format of all others."""

    def setup(self, cfg: Any) -> None:
        """Pass the lines on to the root logger."""
        self.error_log.setLevel(logging.INFO)
        self.error_log.propagate = True
