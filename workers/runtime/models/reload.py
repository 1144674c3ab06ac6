"""New versions of served packages: loaded and warmed beside the old one, then put in its place.

A thread looks into the folders every few seconds and compares manifests. What is not sound is refused with one log
line and the old version goes on serving; it is tried again once the folder has changed and then stood still, so that
a slow copy is not read over and over.
"""

import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from contracts.model_package.files import PackageError
from contracts.model_package.versions import Snapshot, manifest_digest, snapshot_of
from workers.runtime.models.loading import Loader
from workers.runtime.models.served import ServedModel
from workers.runtime.models.versions import Models
from workers.runtime.process.memory import give_back

logger = logging.getLogger(__name__)
COLLECT_PERIOD_S = 5.0


class _Retired(NamedTuple):
    """A version that was replaced, and lives as long as a job runs on it."""

    name: str
    revision: str
    model: "weakref.ref[ServedModel]"


class Watcher:
    """The thread that looks for new versions. ``swapped`` is called after each one that was put in place."""

    def __init__(self, models: Models, loader: Loader[Any], *, period_s: float, swapped: Callable[[], None]) -> None:
        self._models = models
        self._loader = loader
        self._period_s = period_s
        self._swapped = swapped
        self._told: dict[str, str] = {}
        self._refused: dict[str, Snapshot] = {}
        self._seen: dict[str, Snapshot] = {}
        self._retired: list[_Retired] = []
        self._untidy = False
        self._met: set[str] = set()
        # Not an event: a signal handler may interrupt itself, and only this can be put into then.
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="reload", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def look_now(self) -> None:
        """Look soon, and try again what was refused. Safe in a signal handler."""
        self._orders.put("look")

    def stop(self, timeout_s: float) -> bool:
        """Look no more; return whether the thread has ended, or never began."""
        self._orders.put("stop")
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while (order := self._order()) != "stop":
            if order == "look":
                self._forget()
            try:
                if order or self._period_s:
                    self.look()
                self._collect()
            except Exception:  # without this thread, new versions would be ignored in silence
                logger.exception("not looked for new versions")

    def _order(self) -> str:
        """Wait for an order or the next look; return the order, or an empty text."""
        period_s = self._period_s or (COLLECT_PERIOD_S if self._retired or self._untidy else None)
        try:
            return self._orders.get(timeout=period_s)
        except queue.Empty:
            return ""

    def _forget(self) -> None:
        self._told.clear()
        self._refused.clear()
        self._met.clear()

    def look(self) -> None:
        """Compare every served package with its folder once, and take what is new and sound."""
        found = self._loader.find()
        for name in self._models.names():
            if name in found:
                self._look_at(name, found[name])
            else:
                self._tell(name, "the package is gone; its last version is served until the worker ends")
        for name in found.keys() - set(self._models.names()) - self._met:
            self._meet(name, found[name])

    def _look_at(self, name: str, folder: Path) -> None:
        served, snapshot = self._models.version(name), snapshot_of(folder)
        if served is None or not self._worth_trying(name, snapshot):
            return
        try:
            if manifest_digest(folder) != served.digest:
                self._untidy = True
                self._take(name, folder, served.model)
        except Exception as error:  # whatever is wrong with it, the old version is there
            self._refused[name] = snapshot
            if not isinstance(error, PackageError):
                logger.exception("new version not loaded", extra={"model": name})
            self._tell(name, f"new version refused, the old one is served on: {error}")
        else:
            self._refused.pop(name, None)
            self._told.pop(name, None)

    def _worth_trying(self, name: str, snapshot: Snapshot) -> bool:
        """Return whether a folder was not refused as it is, and, after a refusal, stands still since the last look."""
        seen, self._seen[name] = self._seen.get(name), snapshot
        return name not in self._refused or snapshot == seen != self._refused[name]

    def _take(self, name: str, folder: Path, old: ServedModel) -> None:
        started = time.monotonic()
        version = self._loader.load(folder)
        before, after = old.card, version.model.card
        if before.task != after.task:
            # Its jobs that wait in the queue were checked for the old task.
            raise PackageError(f"{folder}: its task was {before.task} and is {after.task}; restart the worker for that")
        self._models.put(version)
        self._retired.append(_Retired(name, before.revision, weakref.ref(old)))
        load_s = round(time.monotonic() - started, 3)
        logger.info(
            "new version served",
            extra={"model": name, "revision": after.revision, "before": before.revision, "load_s": load_s},
        )
        self._swapped()

    def _meet(self, name: str, folder: Path) -> None:
        """Say once that a package which was not there at the start needs a restart: its queue is not listened to."""
        try:
            if self._loader.wanted(name) and not self._loader.unfit(folder):
                self._tell(name, "a new package; restart the worker to serve it")
        except PackageError:
            return  # perhaps half-written: a later look will tell
        self._met.add(name)

    def _collect(self) -> None:
        """Let go of the memory of refused versions, and of old ones whose last job has ended."""
        if not self._retired and not self._untidy:
            return
        give_back()
        self._untidy = False
        for name, revision, _ in [retired for retired in self._retired if retired.model() is None]:
            logger.info("old version dropped", extra={"model": name, "revision": revision})
        self._retired = [retired for retired in self._retired if retired.model() is not None]

    def _tell(self, name: str, what: str) -> None:
        """Log what is the matter with a package, once as long as it stays the same."""
        if self._told.get(name) != what:
            self._told[name] = what
            logger.warning(what, extra={"model": name})
