"""gunicorn with one gevent worker, in which a slow client or a long poll costs a greenlet.

gunicorn's arbiter restarts the worker if it dies. For more throughput run more gateways, not more workers, so that a
process's limits and metrics are those of its gateway (decision 6).
"""

from flask import Flask
from gunicorn.app.base import BaseApplication

from contracts.settings import StoreSettings
from services.gateway.server.logger import PlainLogger
from services.gateway.server.worker import GatewayWorker
from services.gateway.settings import GatewaySettings

KEEPALIVE_S = 10
"""Time until a connection is closed that is idle, or whose next request's head has not arrived."""
DRAIN_S = 8
"""Time that running requests have to finish at a stop: less than the 10 s after which Docker kills by default."""


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
