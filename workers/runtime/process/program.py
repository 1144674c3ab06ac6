"""The command line of a worker program: help, health check, and one line on stderr for what can't work."""

import argparse
import os
import socket
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import redis

from contracts.logs.settings import LogSettings, setup_logging
from contracts.model_package.package import PackageError
from contracts.settings import SettingsError, StoreSettings, help_text
from contracts.store.problems import problem_of
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from contracts.tasks import TASKS
from workers.runtime.settings import WorkerSettings

if TYPE_CHECKING:
    from workers.runtime.models.loading import WorkerSpec

CONFIGURATION_ERROR = 2
NOTHING_TO_SERVE = 3
"""Exit status of a worker that is not needed: all packages are for workers of other families."""
_HELP = """Serve the {name} models ({tasks}) of this machine's model packages.

Start as many workers as you like, on as many machines as you like: they share the queues."""


@dataclass(frozen=True)
class Program:
    """A worker program."""

    name: str
    """The family of its models."""
    spec: str
    """Where its ``WorkerSpec`` is, as ``module:attribute``."""

    def run(self) -> int:
        """Run a worker until it is told to stop.

        Returns:
            The exit status; ``CONFIGURATION_ERROR`` or ``NOTHING_TO_SERVE`` if the worker can't start.
        """
        try:
            arguments = self._parser().parse_args()
            settings = WorkerSettings.read()
            return _check_health(settings) if arguments.health else self._serve(settings)
        except (SettingsError, PackageError) as error:
            return self._refuse(error)

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"python -m workers.{self.name}",
            description=_HELP.format(name=self.name, tasks=", ".join(self._tasks())),
            epilog="settings, from the environment:\n" + help_text(WorkerSettings, StoreSettings, LogSettings),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(
            "--health", action="store_true", help="exit 0 if a worker of this host has a fresh heartbeat"
        )
        return parser

    def _tasks(self) -> list[str]:
        return [spec.name for spec in TASKS.values() if spec.family == self.name]

    def _serve(self, settings: WorkerSettings) -> int:
        setup_logging(self.name, LogSettings.read())
        # The tokenizer library reads this when it is imported. Its own threads would compete with the model call.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # noqa: TID251 (the library has no other switch)
        # Imported only now, because these libraries take a second to import, which --help and mistakes in the settings
        # need not wait for.
        from workers.runtime.inference.session import DeviceError
        from workers.runtime.models.loading import NothingToServe
        from workers.runtime.process.worker import run_worker

        try:
            run_worker(settings, self._import_spec())
        except NothingToServe as error:
            return self._refuse(error, NOTHING_TO_SERVE)
        except DeviceError as error:
            return self._refuse(error)

    def _import_spec(self) -> "WorkerSpec[Any]":
        module, attribute = self.spec.split(":")
        spec: WorkerSpec[Any] = getattr(import_module(module), attribute)
        return spec

    def _refuse(self, error: Exception, status: int = CONFIGURATION_ERROR) -> int:
        """Write in one line why the worker can't start, even if a library's message has several lines."""
        sys.stderr.write(f"{self.name} worker: {' '.join(str(error).split())}\n")
        return status


def _check_health(settings: WorkerSettings) -> int:
    registry = Registry(connect(settings.store.redis_url, timeout_s=2.0, retries=0))
    try:
        return 0 if any(worker.host == socket.gethostname() for worker in registry.workers()) else 1
    except redis.RedisError as error:
        sys.stderr.write(f"{problem_of(error).sentence}\n")
        return 1
