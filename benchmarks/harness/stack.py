"""The real stack for the duration of a ``with`` block: Valkey, gateway and a worker, as `make run` starts them.

All servers listen on free ports of this machine and keep their data in a folder that is deleted afterwards.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from benchmarks.harness.machine import with_descendants
from benchmarks.harness.report import BenchError
from contracts.store.job_reader import JobReader
from contracts.store.job_writer import JobWriter
from contracts.store.queues.stats import QueueStats
from contracts.store.redis_client import connect
from contracts.store.registry import Registry
from deploy.local.client import call, is_ready
from deploy.local.process import Child, ProcessSpec
from deploy.local.settings import LocalSettings
from deploy.local.store import EmbeddedStore, free_port

ROOT = Path(__file__).resolve().parents[2]
MINILM = ROOT / "build" / "packages" / "minilm"
READY_S = 90.0
STOP_S = 20.0


class Stack:
    """The store, and the processes that a benchmark starts with it. Use it as a context manager, in the main thread.

    ``maxmemory`` is the store's limit, as in its configuration; by default that of `make run`.
    """

    def __init__(self, maxmemory: str = LocalSettings.store_maxmemory) -> None:
        self._maxmemory = maxmemory
        self._cleanup = ExitStack()
        self._children: dict[str, Child] = {}

    def __enter__(self) -> "Stack":
        with ExitStack() as undo:
            self.folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="triptych-bench-")))
            # Its own folder and free ports: a stack of `make run` on this machine is not disturbed.
            settings = LocalSettings(data=self.folder, store_maxmemory=self._maxmemory, inherited=_environment())
            embedded = EmbeddedStore.prepare(settings)
            undo.callback(os.close, embedded.lock_fd)
            undo.callback(self._stop_all)  # from here on, also when a later step of the start fails
            self._launch(embedded.process(settings))
            self._wait("store", embedded.answers)
            self.url = embedded.url
            # Without retries, which would hide an outage inside a measured time.
            self.client = connect(self.url, timeout_s=10.0, retries=0)
            undo.callback(self.client.close)
            self.reader = JobReader(self.client)
            self.writer = JobWriter(self.client)
            self.queues = QueueStats(self.client)
            self._cleanup = undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._cleanup.close()

    def server_version(self) -> str:
        """Return name and version of the store's server."""
        info = self.client.info("server")
        return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"

    def start_gateway(self, settings: Mapping[str, str] = MappingProxyType({})) -> int:
        """Start a gateway, wait until it is ready for jobs, and return its port."""
        port = free_port()
        self.start("gateway", [sys.executable, "-m", "services.gateway"], {"TRIPTYCH_PORT": str(port), **settings})
        self._wait("gateway", lambda: is_ready(f"http://127.0.0.1:{port}"))
        return port

    def start_worker(self, folder: Path, models: Sequence[str], family: str = "encoder") -> None:
        """Start a worker of ``family`` for some packages of a folder, and wait until it has announced them."""
        self.start_program(family, f"workers.{family}", folder, models)

    def start_program(
        self,
        name: str,
        module: str,
        folder: Path,
        models: Sequence[str],
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start a module that is a worker for some packages of a folder, and wait until it takes jobs."""
        registry = Registry(self.client)
        num_workers = len(registry.workers())
        served = {"TRIPTYCH_MODELS_DIR": str(folder), "TRIPTYCH_MODELS": ",".join(models)}
        self.start(name, [sys.executable, "-m", module], {**served, **settings})
        self._wait(name, lambda: len(registry.workers()) > num_workers and set(models) <= set(registry.models()))

    def wait_until_known(self, port: int, models: Sequence[str]) -> None:
        """Wait until the gateway at ``port`` knows these models, which takes up to a second."""
        url = f"http://127.0.0.1:{port}/v1/models"
        self._wait("gateway", lambda: set(models) <= {model["id"] for model in call(url)["data"]})

    def start(self, name: str, command: Sequence[str], settings: Mapping[str, str]) -> None:
        """Start one more process, with the address of the store in TRIPTYCH_REDIS_URL."""
        env = {**_environment(), "TRIPTYCH_REDIS_URL": self.url, **settings}
        self._launch(ProcessSpec(name, command, env, stop_after_s=STOP_S))

    def wait(self, name: str, condition: Callable[[], object]) -> None:
        """Wait until a condition holds; fail early if the process of this name ends."""
        self._wait(name, condition)

    def pids(self, name: str) -> list[int]:
        """Return the ids of a process and of its descendants; none if there is no process of this name."""
        child = self._children.get(name)
        return with_descendants(child.pid) if child and child.pid else []

    def stop(self, name: str) -> None:
        """Stop one process."""
        self._children.pop(name).stop(impatient=lambda: False)

    def _launch(self, spec: ProcessSpec) -> None:
        child = self._children[spec.name] = Child(spec, log=lambda name, line: None)
        child.start()

    def _wait(self, name: str, condition: Callable[[], object]) -> None:
        child = self._children[name]
        deadline = time.monotonic() + READY_S
        while not condition():
            if child.exit_code() is not None or time.monotonic() > deadline:
                child.join_log()  # a thread reads the lines; the last ones say why the process is not ready
                raise BenchError(f"{name} is not ready; its last lines:\n" + "\n".join(child.tail))
            time.sleep(0.05)

    def _stop_all(self) -> None:
        # In reverse order, so that processes that use the store end before it.
        for child in reversed(self._children.values()):
            child.stop(impatient=lambda: False)


def _environment() -> dict[str, str]:
    """Return this process's environment without settings of Triptych, so that every run measures the defaults."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
