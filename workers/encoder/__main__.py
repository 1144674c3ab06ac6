"""Start an encoder worker: `python -m workers.encoder`."""

import argparse
import os
import socket
import sys

from contracts.logs import setup_logging
from contracts.redis_client import connect
from contracts.registry import Registry
from contracts.settings import Environment, SettingsError
from workers.runtime.model_package import PackageError
from workers.runtime.settings import WorkerSettings

CONFIGURATION_ERROR = 2
_HELP = """Serve the encoder models (embed, classify) of this machine's model packages.

Settings are environment variables; the ones that matter first:
  TRIPTYCH_REDIS_URL     where the jobs are             (redis://127.0.0.1:6379/0)
  TRIPTYCH_MODELS_DIR    folders of model packages      (onnx_models/packages)
  TRIPTYCH_MODELS        names to serve, by commas      (all that are found)
  TRIPTYCH_DEVICE        cpu or cuda                    (cpu)
  TRIPTYCH_THREADS       threads of one model call      (CPUs of the cgroup)
All of them, with what they do: workers/runtime/settings.py and contracts/settings.py.
Start as many workers as you like, on as many machines as you like: they share the queues."""


def main() -> int:
    """Run a worker until it is told to stop; return the exit status (2: the configuration can't work)."""
    parser = argparse.ArgumentParser(
        prog="python -m workers.encoder", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--health", action="store_true", help="exit 0 if a worker of this host has a fresh heartbeat")
    arguments = parser.parse_args()
    try:
        settings = WorkerSettings.read(Environment())
        return _health(settings) if arguments.health else _serve(settings)
    except (SettingsError, PackageError) as error:
        return _refuse(error)


def _refuse(error: Exception) -> int:
    """Say in one line why there is no worker, whatever a library has put into the text."""
    print("encoder worker:", " ".join(str(error).split()), file=sys.stderr)
    return CONFIGURATION_ERROR


def _health(settings: WorkerSettings) -> int:
    registry = Registry(connect(settings.store.redis_url, timeout_s=2.0, retries=0))
    return 0 if any(worker.host == socket.gethostname() for worker in registry.workers()) else 1


def _serve(settings: WorkerSettings) -> int:
    setup_logging("encoder")
    # Set before the tokenizer library is loaded: its own thread pool would fight the model call for the cores.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # noqa: TID251 (the library has no other switch)
    from workers.encoder.tasks import ENCODER
    from workers.runtime.process import run_worker
    from workers.runtime.session import DeviceError

    try:
        return run_worker(settings, ENCODER)
    except DeviceError as error:
        return _refuse(error)


if __name__ == "__main__":
    sys.exit(main())
