"""Which packages a worker serves, and how one of them is loaded: when it starts, and when a new version appears."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from contracts.model_package.graphs import GraphKind
from contracts.model_package.manifest import Manifest
from contracts.model_package.package import ModelPackage, PackageError, find_packages, load_named_package, read_manifest
from contracts.store.attempt_store import AttemptStore
from contracts.task_names import Family, TaskName
from workers.runtime.engine.engine import Engine
from workers.runtime.models.served import ServedModel
from workers.runtime.models.versions import Models, Version
from workers.runtime.process.memory import give_back
from workers.runtime.settings import WorkerSettings

logger = logging.getLogger(__name__)
AnyEngine = TypeVar("AnyEngine", bound=Engine)


class NothingToServe(PackageError):
    """All packages are for workers of other families."""


@dataclass(frozen=True)
class WorkerSpec(Generic[AnyEngine]):
    """What one worker program can serve, and how it makes a model of a checked package: loaded, warm, ready for jobs.

    ``load`` raises ``PackageError`` for a package that it can't serve. All models of a process share its one engine.
    """

    family: Family
    kinds: frozenset[tuple[GraphKind, TaskName]]
    engine: Callable[[AttemptStore], AnyEngine]
    load: Callable[[ModelPackage, WorkerSettings, AnyEngine], ServedModel]

    def unfit(self, manifest: Manifest) -> str | None:
        """Return why a package is not for this worker, as words, or None."""
        if manifest.family != self.family:
            return f"its family is {manifest.family!r}, and this is the {self.family} worker"
        kind, task = manifest.graph.kind, manifest.task.name
        if (kind, task) not in self.kinds:
            known = ", ".join(sorted({served for _, served in self.kinds}))
            return f"this worker has no code for the task {task!r} with a graph of kind {kind!r}; it serves {known}"
        return None


class Loader(Generic[AnyEngine]):
    """Finds and loads the packages that the settings and the kind of worker ask for."""

    def __init__(self, spec: WorkerSpec[AnyEngine], settings: WorkerSettings, engine: AnyEngine) -> None:
        self._spec = spec
        self._settings = settings
        self._engine = engine

    def find(self) -> dict[str, Path]:
        """Return all packages by the names of their folders; of two with one name, that of the first models_dir."""
        folders = reversed(self._settings.models_dir)
        return {name: path for folder in folders for name, path in find_packages(folder).items()}

    def load_all(self) -> Models:
        """Load every package to serve.

        Packages of other workers lie in the same folder, and workers of all families may be given the same names: what
        is for another family is passed over with a log line.

        Raises:
            NothingToServe: there are packages, and none of them is for this worker.
            PackageError: there are no packages, a named model is missing or there is no code for it, or one is not
                sound.
            DeviceError: see ``Session``.
        """
        found, named = self.find(), self._settings.models
        missing = [name for name in named if name not in found]
        if missing or not found:
            what = ", ".join(missing) or "at all"
            raise PackageError(f"no model package {what} in {self._where}; found: {sorted(found)}")
        models, passed_over = Models(), {}
        for name in named or sorted(found):
            manifest = read_manifest(found[name])
            reason = self._spec.unfit(manifest)
            if reason and not (named and manifest.family == self._spec.family):
                passed_over[name] = reason
            else:
                models.put(self.load(found[name]))
        if not models.names():
            reasons = "; ".join(f"{name}: {reason}" for name, reason in passed_over.items())
            raise NothingToServe(f"no model package for this worker in {self._where}: {reasons}")
        for name, reason in passed_over.items():
            logger.info("package passed over", extra={"package": name, "reason": reason})
        return models

    def wanted(self, name: str) -> bool:
        """Return whether the settings ask for a package of this name."""
        return not self._settings.models or name in self._settings.models

    def unfit(self, folder: Path) -> str | None:
        """Return why a package is not for this worker, as words, or None.

        Raises:
            PackageError: see ``read_manifest``.
        """
        return self._spec.unfit(read_manifest(folder))

    def load(self, folder: Path) -> Version:
        """Check, load and warm one package.

        Raises:
            PackageError: it is not sound, not for this worker, or was changed meanwhile.
            DeviceError: see ``Session``.
        """
        manifest = read_manifest(folder)
        reason = self._spec.unfit(manifest)  # before gigabytes are read
        if reason:
            raise PackageError(f"{folder}: {reason}")
        package = load_named_package(folder)
        if package.manifest != manifest:
            raise PackageError(f"{folder}: the package was changed while it was loaded")
        model = self._spec.load(package, self._settings, self._engine)
        package.check_unchanged()
        give_back()  # reading and preparing a graph takes more than keeping it
        return Version(model, package.digest)

    @property
    def _where(self) -> str:
        return ", ".join(map(str, self._settings.models_dir))
