"""Keeps the processes of the local stack running, and starts each of them again when it dies."""

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import redis

from contracts.logs.settings import LogSettings
from contracts.runtime_folder import take_charge
from contracts.settings import SettingsError
from contracts.store.problems import problem_of
from deploy.local.address import check_address, url_of
from deploy.local.client import is_ready
from deploy.local.process import Child, ProcessSpec
from deploy.local.roles import NOTHING_TO_SERVE, WORKERS, announced_models, gateway_and_workers
from deploy.local.settings import LocalSettings
from deploy.local.starters import record_defaults
from deploy.local.store import EmbeddedStore, free_port

TICK_S = 0.1
HINT_S = 20.0
SAME_SIGNAL_S = 0.5
"""Signals that follow a counted one within this time are the same wish to stop."""
STORE_START_S = 120.0
"""Loading a large append-only file takes about 10 s for each gigabyte."""
CONFIGURATION_ERROR = 2


class StackError(Exception):
    """The stack did not start in time; the message says which process."""


class Stopped(Exception):
    """A signal stopped the stack while it was starting."""


class Supervisor:
    """The local stack. Use it as a context manager, which always stops every process in order.

    It must run in the main thread (see ``Child``). SIGINT, SIGTERM and SIGHUP stop it; a second signal kills at once.

    Raises:
        SettingsError: the gateway's address can't be used.
    """

    def __init__(self, settings: LocalSettings, log: Callable[[str, str], None]) -> None:
        self._settings = settings
        self._log = log
        self._signals = 0
        self._counted_signal_at = float("-inf")
        self._stop = threading.Event()
        self._children: list[Child] = []
        self._store: EmbeddedStore | None = None
        self._ready = False
        self._redis_url = settings.redis_url
        self.models: set[str] = set()
        """The models of the workers, once the stack has started."""
        check_address(settings.host, settings.port)
        self.port = settings.port or free_port(settings.host)

    @property
    def url(self) -> str:
        """The URL of the gateway on this machine."""
        return url_of(self._settings.host, self.port)

    def __enter__(self) -> "Supervisor":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup ignores SIGHUP; keep it so.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exception: object) -> None:
        # In reverse order: the gateway accepts no new jobs, the workers finish theirs, and the store records the ends.
        for child in reversed(self._children):
            if child.spec.name in WORKERS:
                self._terminate_workers()  # all at once, because each may use its whole drain time
            code = child.stop(self.is_impatient)
            if code is not None:
                self._log("triptych", f"{child.spec.name} stopped ({_describe(code)})")

    def start(self, ready_within_s: float | None = None) -> None:
        """Start the processes; return when the gateway is ready and all workers have announced their models.

        Raises:
            SettingsError: a process refused to start, no worker has a model to serve, or the embedded store can't run
                on this platform.
            StackError: not ready in time.
            Stopped: a signal stopped it.
        """
        self._redis_url = self._settings.redis_url or self._start_store()
        env = {
            **self._settings.inherited,
            # The output of a child goes into a pipe, where Python would hold lines back.
            "PYTHONUNBUFFERED": "1",
            "TRIPTYCH_REDIS_URL": self._redis_url,
            "TRIPTYCH_HOST": self._settings.host,
            "TRIPTYCH_PORT": str(self.port),
            "TRIPTYCH_LOG": self.log_setting(),
        }
        for spec in gateway_and_workers(env, self._settings.drain_s):
            self._launch(spec)
        # The gateway is ready as soon as one worker has announced a model, which is not enough for the demo.
        self._wait_for(lambda: self._workers_serve() and is_ready(self.url), ready_within_s, "The stack is not ready")
        self._ready = True

    def log_setting(self) -> str:
        """Return the children's TRIPTYCH_LOG: they write into pipes and can't see whether these end on a terminal."""
        logs = LogSettings.read(self._settings.inherited)
        return f"{logs.level},{logs.format_on(sys.stdout)}"

    def is_impatient(self) -> bool:
        """Return whether a second signal came, after which every process is killed."""
        return self._signals > 1

    def watch(self) -> None:
        """Restart processes that die, until a signal comes."""
        while not self._stop.wait(TICK_S):
            self._look_after_children()

    def check_once(self) -> None:
        """Do what ``watch`` does once, for a caller that has work of its own.

        Raises:
            Stopped: a signal came.
        """
        if self._stop.is_set():
            raise Stopped
        self._look_after_children()

    def tails(self) -> str:
        """Return the last log lines of every process."""
        lines = [f"{child.spec.name:8}| {line}" for child in self._children for line in list(child.tail)[-15:]]
        return "\n".join(lines)

    def _start_store(self) -> str:
        self._store = EmbeddedStore.prepare(self._settings)
        self._launch(self._store.process(self._settings))
        self._wait_for(self._store.answers, STORE_START_S, "The store does not answer")
        try:
            # Before the first worker announces its models. A store of somebody else has its defaults.
            record_defaults(self._store.url, self._settings)
        except redis.RedisError as error:
            # A store that is full, or can't write to its disk, needs workers all the more: to end its jobs.
            self._log("triptych", f"no defaults were recorded for the starter models: {problem_of(error).sentence}")
        return self._store.url

    def _workers(self) -> list[Child]:
        return [child for child in self._children if child.spec.name in WORKERS]

    def _workers_serve(self) -> bool:
        # Only our own workers count: a shared store may have announcements of others.
        pids = [child.pid for child in self._workers()]
        models = announced_models(self._redis_url, [pid for pid in pids if pid is not None])
        if models is None or None in pids:
            return False
        self.models = models
        return True

    def _terminate_workers(self) -> None:
        for child in self._workers():
            child.terminate()

    def _launch(self, spec: ProcessSpec) -> None:
        child = Child(spec, self._log)
        self._children.append(child)
        child.start()

    def _wait_for(self, condition: Callable[[], bool], within_s: float | None, failure: str) -> None:
        started = last_hint = time.monotonic()
        while not condition():
            if self._stop.wait(TICK_S):
                raise Stopped
            self._look_after_children()
            now = time.monotonic()
            if within_s is not None and now - started > within_s:
                raise StackError(f"{failure} after {within_s:g} s.")
            if now - last_hint > HINT_S:
                last_hint = now
                self._log("triptych", f"{failure} after {now - started:.0f} s; still waiting")

    def _look_after_children(self) -> None:
        for child in list(self._children):  # a copy, because a worker with nothing to serve is removed
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    child.start()
                    self._log("triptych", f"{child.spec.name} started again")
            elif (code := child.exit_code()) is not None:
                self._on_death(child, code)

    def _on_death(self, child: Child, code: int) -> None:
        child.join_log()  # the last lines say why it died
        if child.spec.name in WORKERS and code == NOTHING_TO_SERVE:
            self._children.remove(child)
            self._log("triptych", f"no {child.spec.name} is needed: there is no package for it")
        permanent = code == CONFIGURATION_ERROR or (code == NOTHING_TO_SERVE and not self._workers())
        if permanent and not self._ready:
            # A restart can't help until somebody changes a setting.
            raise SettingsError(f"{child.spec.name} refused to start:\n" + "\n".join(child.tail))
        if child not in self._children:
            return
        # A worker's heartbeat process, which writes the log as well, has by now given its jobs back.
        charged = child.pid is not None and take_charge(self._settings.runtime_dir, child.pid)
        pause = child.schedule_restart(own_fault=not charged)
        self._log("triptych", f"{child.spec.name} died ({_describe(code)}), starting it again in {pause:g} s")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        # `timeout make run` signals the group, and make passes the signal on: that is one wish to stop, and not two.
        if now - self._counted_signal_at > SAME_SIGNAL_S:
            self._signals += 1
            self._counted_signal_at = now
        self._stop.set()


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
