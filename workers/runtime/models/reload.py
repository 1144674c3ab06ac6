"""New versions of served packages: loaded and warmed up beside the old version, then put in its place.

A thread compares manifests every few seconds. A version that is not valid is refused with one log line, and the old one
goes on serving. It is tried again once the folder has changed and then has not changed between two scans: while a large
package is being copied, hashing it again in each scan would be a waste.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from contracts.model_package.files import PackageError
from contracts.model_package.versions import Snapshot, manifest_digest, snapshot_of
from workers.runtime.models.loading import Loader
from workers.runtime.models.retired import RetiredVersions
from workers.runtime.models.served import ServedModel
from workers.runtime.models.versions import Models

logger = logging.getLogger(__name__)
COLLECT_PERIOD_S = 5.0
"""How often to collect old versions where there are no regular scans."""
Command = Literal["scan", "stop"]


class Watcher:
    """The thread that looks for new versions.

    Args:
        models: the served versions, to be replaced.
        loader: finds packages and loads them.
        period_s: time between two scans; 0: only when asked.
        on_swap: called after each version that was put in place.
    """

    def __init__(self, models: Models, loader: Loader[Any], *, period_s: float, on_swap: Callable[[], None]) -> None:
        self._models = models
        self._loader = loader
        self._period_s = period_s
        self._on_swap = on_swap
        self._warnings: dict[str, str] = {}
        """The last warning about each package, which is not repeated."""
        self._refused: dict[str, Snapshot] = {}
        self._seen: dict[str, Snapshot] = {}
        self._known: set[str] = set()
        """Packages that are not served, and whether they could be was logged."""
        self._retired = RetiredVersions()
        # A queue and not an event, because a signal handler uses it, and one handler may interrupt another one:
        # `SimpleQueue.put` is reentrant, `Event.set` would deadlock on its lock.
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        # A daemon, because a load can't be interrupted and must not keep a worker from ending.
        self._thread = threading.Thread(target=self._loop, name="reload", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def scan_soon(self) -> None:
        """Let the thread scan now, and try refused versions again. Safe to call in a signal handler."""
        self._commands.put("scan")

    def stop(self, timeout_s: float) -> bool:
        """Stop the thread; return whether it has ended or was never started. It can't be interrupted while it loads."""
        self._commands.put("stop")
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def scan(self) -> None:
        """Compare every served package with its folder once, and load what has changed."""
        found = self._loader.find()
        for name in self._models.names():
            if name in found:
                self._check(name, found[name])
            else:
                self._warn_once(name, "the package is gone; its last version is served until the worker ends")
        for name in found.keys() - set(self._models.names()) - self._known:
            self._note_new(name, found[name])

    def _loop(self) -> None:
        while (command := self._next_command()) != "stop":
            try:
                if command == "scan":
                    self._forget()
                if command or self._period_s:
                    self.scan()
                self._retired.collect()
            except Exception:  # without this thread, new versions would be ignored silently
                logger.exception("scan for new versions failed")

    def _next_command(self) -> Command | None:
        """Return the next command, or None when it is time for a regular scan."""
        period_s = self._period_s or (COLLECT_PERIOD_S if self._retired.pending else None)
        try:
            return self._commands.get(timeout=period_s)
        except queue.Empty:
            return None

    def _forget(self) -> None:
        self._warnings.clear()
        self._refused.clear()
        self._known.clear()

    def _check(self, name: str, folder: Path) -> None:
        served, snapshot = self._models.version(name), snapshot_of(folder)
        if served is None or not self._is_worth_trying(name, snapshot):
            return
        try:
            # The manifest has the digests of all other files, so its own digest identifies a version.
            if manifest_digest(folder) != served.digest:
                self._retired.add_garbage()
                self._swap(folder, served.model)
        except Exception as error:  # whatever is wrong with the new version, the old one is there
            self._refused[name] = snapshot
            if not isinstance(error, PackageError):
                logger.exception("new version not loaded", extra={"model": name})
            self._warn_once(name, f"new version refused, the old one goes on serving: {error}")
        else:
            self._refused.pop(name, None)
            self._warnings.pop(name, None)

    def _is_worth_trying(self, name: str, snapshot: Snapshot) -> bool:
        """Return whether the version was not refused, or has changed since, and not since the last scan."""
        seen, self._seen[name] = self._seen.get(name), snapshot
        return name not in self._refused or snapshot == seen != self._refused[name]

    def _swap(self, folder: Path, old: ServedModel) -> None:
        started = time.monotonic()
        version = self._loader.load(folder)
        before, after = old.card, version.model.card
        if before.task != after.task:
            # Jobs that wait in the queue were validated for the old task.
            raise PackageError(f"{folder}: its task was {before.task} and is {after.task}; restart the worker for that")
        self._models.put(version)
        self._retired.add(old)
        load_s = round(time.monotonic() - started, 3)
        logger.info(
            "new version served",
            extra={"model": before.name, "revision": after.revision, "before": before.revision, "load_s": load_s},
        )
        self._on_swap()

    def _note_new(self, name: str, folder: Path) -> None:
        """Log once that a new package needs a restart: Celery can't be given more queues while it runs."""
        try:
            if self._loader.is_selected(name) and self._loader.can_serve(folder):
                self._warn_once(name, "a new package; restart the worker to serve it")
        except PackageError:
            return  # it may be half copied; the next scan sees more of it
        self._known.add(name)

    def _warn_once(self, name: str, warning: str) -> None:
        """Log a warning about a package, unless it is the same as the last one."""
        if self._warnings.get(name) != warning:
            self._warnings[name] = warning
            logger.warning(warning, extra={"model": name})
