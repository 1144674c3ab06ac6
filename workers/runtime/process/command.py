"""What `python -m workers.encoder` and its siblings have in common: help, health, and one line for what can't work."""

import argparse
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.logs import setup_logging
from contracts.model_package.package import PackageError
from contracts.settings import SettingsError, StoreSettings, help_text
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
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
    """A worker program as its command line presents it."""

    name: str
    """The family of its models."""
    tasks: str
    """For people to read."""
    spec: Callable[[], "WorkerSpec[Any]"]
    """Imports and returns what it serves. Not before the command line and the settings are known to be right, since
    libraries of models take long to import, and not before the environment is set that they read on import."""


def run_program(program: Program) -> int:
    """Run a worker until it is told to stop; return the exit status: 2 or 3 as above where it can't begin."""
    parser = argparse.ArgumentParser(
        prog=f"python -m workers.{program.name}",
        description=_HELP.format(name=program.name, tasks=program.tasks),
        epilog="settings, from the environment:\n" + help_text(WorkerSettings, StoreSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--health", action="store_true", help="exit 0 if a worker of this host has a fresh heartbeat")
    arguments = parser.parse_args()
    try:
        settings = WorkerSettings.read()
        return _health(settings) if arguments.health else _serve(program, settings)
    except (SettingsError, PackageError) as error:
        return _refuse(program, error)


def _refuse(program: Program, error: Exception, status: int = CONFIGURATION_ERROR) -> int:
    """Say in one line why there is no worker, whatever a library has put into the text."""
    sys.stderr.write(f"{program.name} worker: {' '.join(str(error).split())}\n")
    return status


def _health(settings: WorkerSettings) -> int:
    registry = Registry(connect(settings.store.redis_url, timeout_s=2.0, retries=0))
    return 0 if any(worker.host == socket.gethostname() for worker in registry.workers()) else 1


def _serve(program: Program, settings: WorkerSettings) -> int:
    setup_logging(program.name)
    # Set before the tokenizer library is loaded: its own thread pool would fight the model call for the cores.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # noqa: TID251 (the library has no other switch)
    from workers.runtime.inference.session import DeviceError
    from workers.runtime.models.loading import NothingToServe
    from workers.runtime.process.worker import run_worker

    try:
        return run_worker(settings, program.spec())
    except NothingToServe as error:
        return _refuse(program, error, NOTHING_TO_SERVE)
    except DeviceError as error:
        return _refuse(program, error)
