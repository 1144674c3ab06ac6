"""gunicorn with gevent: an arbiter and the processes that it forks, which serve one port (decision 6).

The arbiter imports the application, so that its processes share these pages and are ready soon after a fork. It makes
none and connects to nothing: connections and greenlets do not survive a fork.
"""

import gc
import os
import shutil
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.http.parser import RequestParser

from contracts.parent_death import end_with_parent
from contracts.settings import StoreSettings
from services.gateway.app import create_app
from services.gateway.backend import make_backend
from services.gateway.http.request_facts import facts_of
from services.gateway.monitoring import shared_files
from services.gateway.monitoring.loop_lag import LoopLag
from services.gateway.processes.counters import Counters
from services.gateway.server.arbiter import GatewayArbiter
from services.gateway.server.options import folder_in_memory, options_of
from services.gateway.server.request_head import BoundedRequest
from services.gateway.settings import GatewaySettings


class GatewayServer(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured in code: it reads neither a configuration file nor a command line."""

    def __init__(self, settings: GatewaySettings, store_settings: StoreSettings) -> None:
        self._settings = settings
        self._store_settings = store_settings
        # While they are replaced, old and new processes are there at once; and some of the old ones may hang.
        self._counters = Counters(num_slots=4 * settings.processes + 4)
        self._metrics_folder = ""
        super().__init__()

    def run(self) -> None:
        """Serve until a signal stops the arbiter."""
        arbiter_pid = os.getpid()
        RequestParser.mesg_class = BoundedRequest
        # What is here now lives as long as the program. Collections in the processes would touch, and so copy, it.
        gc.collect()
        gc.freeze()
        try:
            GatewayArbiter(self).run()
        finally:
            # The forked processes pass here as well when they end.
            if os.getpid() == arbiter_pid and self._metrics_folder:
                shutil.rmtree(self._metrics_folder, ignore_errors=True)

    def load_config(self) -> None:
        """Set gunicorn's options."""
        hooks = {
            "when_ready": self._before_all_forks,
            "pre_fork": self._before_fork,
            "post_fork": self._after_fork,
            "post_request": self._after_request,
            "child_exit": self._after_death,
        }
        for name, value in (options_of(self._settings) | hooks).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Make the app of one process, and start its background work."""
        backend = make_backend(self._settings, self._store_settings, self._metrics_folder)
        app = create_app(self._settings, backend, self._counters)
        # The worker has only the app, and needs these when it serves and when it stops.
        app.extensions["backend"] = backend
        app.extensions["send_timeout_s"] = self._settings.send_timeout_s
        backend.start()
        LoopLag(self._counters).start()
        return app

    def _before_all_forks(self, arbiter: GatewayArbiter) -> None:
        # Not earlier: from here on the arbiter handles signals, and so removes the folder at every end but SIGKILL.
        self._metrics_folder = shared_files.make_folder(folder_in_memory())

    def _before_fork(self, arbiter: GatewayArbiter, worker: Any) -> None:
        worker.slot = self._counters.take_slot()

    def _after_fork(self, arbiter: GatewayArbiter, worker: Any) -> None:
        end_with_parent(arbiter.pid)
        self._counters.use(worker.slot)
        shared_files.count_in(self._metrics_folder, worker.slot)

    @staticmethod
    def _after_request(worker: Any, request: Any, environ: dict[str, Any], response: Any) -> None:
        facts = facts_of(environ)
        if facts.is_sent and facts.method != "HEAD":
            worker.wsgi.extensions["backend"].deliveries.sent(facts)

    def _after_death(self, arbiter: GatewayArbiter, worker: Any) -> None:
        self._counters.free_slot(worker.slot)
